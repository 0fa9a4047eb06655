import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run } from '../src/kernel/run.ts';
import { startCluster, type TestCluster } from './support/cluster.ts';
import { lessonFolders, missingLine, readLesson, runSteps } from './support/lessons.ts';

const project = join(import.meta.dirname, '..');

interface Part {
  readonly journey: number;
  readonly title: string;
  readonly ok: boolean;
  readonly changes?: readonly { readonly steps: readonly { readonly what: string; readonly ms: number }[] }[];
  readonly hops?: readonly { readonly kind: string; readonly name?: string }[];
  readonly see?: readonly string[];
}

describe('knit tour', () => {
  let cluster: TestCluster;

  before(async () => {
    cluster = await startCluster('t-tour');
  });
  after(() => cluster?.down());

  test('shows intent and all ten journeys as planned, and leaves nothing', async () => {
    const parts: Part[] = JSON.parse(await cluster.knit(['tour', '-o', 'json']));
    assert.deepEqual(
      parts.map(({ journey, ok }) => [journey, ok]),
      Array.from({ length: 11 }, (_, journey) => [journey, true]),
    );
    for (const { steps } of parts[0]?.changes ?? []) {
      const times = steps.map(({ ms }) => ms);
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
    }
    const kinds = (journey: number) => parts[journey]?.hops?.map(({ kind }) => kind).join(' ');
    assert.equal(kinds(1), 'pod');
    assert.equal(kinds(2), 'pod node pod');
    assert.equal(kinds(3), 'pod node fabric node pod');
    assert.equal(kinds(4), 'pod node node fabric node node pod');
    assert.equal(kinds(8), 'client fabric node fabric node pod');
    assert.equal(kinds(9), 'client fabric node pod');
    const left = await cluster.kubectl(['get', 'namespaces', '-o', 'name']);
    assert.doesNotMatch(left, /knit-tour/);
  });

  test('says what there is to see, and shows one journey as people read it', async () => {
    assert.match(
      await cluster.knit(['tour', '--list']),
      /^ 0 {2}intent and reality.*\n.*\n.*\n.*\n.*\n 5 {2}pod to the virtual/,
    );
    const drawn = await cluster.knit(['tour', '5']);
    assert.match(drawn, /✓ 5 {2}pod to the virtual address of a Service\n/);
    assert.match(drawn, /DNAT \S+ → \S+:8080/);
    assert.match(drawn, /Service knit-tour\/web:http: endpoint [12] of 2/);
    assert.match(drawn, /No interface has the virtual address/);
  });

  describe('the lessons of examples/journeys print what they show', () => {
    const [setUp, tidyUp] = readLesson('README.md');

    before(async () => {
      assert.ok(setUp);
      await runSteps([setUp], 't-tour');
    });
    after(async () => {
      if (tidyUp) await runSteps([tidyUp], 't-tour');
      await run(join(project, 'bin/knit'), ['down', '--name', 'lesson-overlay']);
    });

    for (const folder of lessonFolders()) {
      test(folder, async () => {
        const steps = readLesson(`${folder}/README.md`);
        const outputs = await runSteps(steps, 't-tour');
        assert.ok(steps.some(({ shown }) => shown.length > 0));
        for (const [index, step] of steps.entries()) {
          const output = outputs[index] ?? '';
          assert.equal(missingLine(step, output), undefined, `${step.commands}\n${output}`);
          assert.doesNotMatch(output, /not as predicted/);
        }
      });
    }

    test('what a lesson shows and the program does not print is found', () => {
      const step = { commands: '', shown: [' 1  node-1  DNAT 10.0.0.1:80', '…', ' 2 nodes · as predicted'] };
      const printed = '  1  node-2    DNAT 10.9.0.7:8080\n\n 1 nodes · as predicted';
      assert.equal(missingLine(step, printed), undefined);
      assert.equal(missingLine(step, printed.replace('as predicted', 'dropped')), ' 2 nodes · as predicted');
      assert.equal(missingLine(step, printed.replace('DNAT', 'SNAT')), ' 1  node-1  DNAT 10.0.0.1:80');
    });

    test('there are ten, and each is in the list', () => {
      const list = readFileSync(join(project, 'examples/journeys/README.md'), 'utf8');
      const linked = [...list.matchAll(/\]\((\S+)\/README\.md\)/g)].map(([, folder]) => folder);
      assert.deepEqual(linked, lessonFolders());
      assert.equal(linked.length, 10);
    });
  });
});
