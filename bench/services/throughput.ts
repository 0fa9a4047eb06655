import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { waitFor } from '../../src/base/wait.ts';
import { run } from '../../src/kernel/run.ts';
import { type Figure, median } from '../figures.ts';

const project = join(import.meta.dirname, '../..');
const knit = join(project, 'bin/knit');
const name = 'bench-services';
const PORT = 5201;
const SECONDS = 2;
const ROUNDS = 15;

/** Takes all that comes; and sends for some seconds, then prints how many bytes a second it was rid of. */
const SINK = `require('node:net').createServer((socket) => socket.on('error', () => {}).resume()).listen(${PORT})`;
const SOURCE = `
  const [host, port] = process.argv.slice(1);
  const socket = require('node:net').connect(Number(port), host);
  const block = Buffer.alloc(1 << 20);
  let sent = 0;
  const began = performance.now();
  const send = () => {
    if (performance.now() - began > ${SECONDS * 1000}) {
      console.log((socket.bytesWritten - socket.writableLength) / (performance.now() - began) * 1000);
      process.exit();
    }
    socket.write(block, send);
  };
  socket.once('connect', send);`;

/** One TCP stream from a pod to a pod on another node, to its address and through a Service, by turns. */
export async function measureThroughput(): Promise<Figure[]> {
  const flags = ['--name', name];
  await run(knit, ['down', ...flags]);
  await run(knit, ['up', ...flags, '--nodes', '2', '--uplink', 'none', '--no-kubeconfig'], { timeoutMs: 120_000 });
  const sinks: ReturnType<typeof spawn>[] = [];
  try {
    const kubectl = (args: string[], input?: string) =>
      run(knit, ['kubectl', ...flags, ...args], { input, env: withKubectl() });
    await kubectl(['apply', '-f', '-'], manifests());
    await kubectl(['wait', '--for=condition=Ready', 'pod', 'source', 'sink', '--timeout=60s']);
    const inPod = (pod: string, script: string, ...args: string[]) => [
      'exec',
      ...flags,
      `pod/${pod}`,
      '--',
      process.execPath,
      '-e',
      script,
      ...args,
    ];
    sinks.push(spawn(knit, inPod('sink', SINK), { stdio: 'ignore' }));
    const address = await kubectl(['get', 'pod', 'sink', '-o', 'jsonpath={.status.podIP}']);
    const virtual = await kubectl(['get', 'service', 'sink', '-o', 'jsonpath={.spec.clusterIP}']);
    const send = async (host: string, port: number) =>
      Number(await run(knit, inPod('source', SOURCE, host, String(port))));
    await waitFor(() => send(virtual, 80), { what: 'the sink to listen', timeoutMs: 60_000, intervalMs: 100 });
    const rounds: { direct: number; through: number }[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      rounds.push({ direct: await send(address, PORT), through: await send(virtual, 80) });
    }
    // Neighbours are compared: what else the machine does changes from one minute to the next.
    const ratio = median(rounds.map(({ direct, through }) => through / direct));
    return [
      {
        what: 'throughput pod → Service → pod on another node',
        value: (Math.max(...rounds.map(({ through }) => through)) * 8) / 1e9,
        unit: 'Gbit/s',
        against: 'the same without a Service',
        ratio,
        goal: 'at least 0.95',
        met: ratio >= 0.95,
      },
    ];
  } finally {
    for (const sink of sinks) sink.kill('SIGTERM');
    await run(knit, ['down', ...flags]);
  }
}

function manifests(): string {
  const pod = (podName: string, nodeName: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podName, labels: { app: podName } },
    spec: { nodeName, containers: [{ name: 'lab', image: 'knit.dev/lab:1' }] },
  });
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'sink' },
    spec: { selector: { app: 'sink' }, ports: [{ port: 80, targetPort: PORT }] },
  };
  return [pod('source', 'node-1'), pod('sink', 'node-2'), service].map((each) => JSON.stringify(each)).join('\n---\n');
}

function withKubectl(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${join(project, 'dist/tools')}:${process.env.PATH}` };
}
