import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  compileLabelSelector,
  compileLabels,
  compileNodeSelector,
  formatLabelSelector,
  parseFieldSelector,
  parseLabelSelector,
} from './selectors.ts';
import type { Node } from './types.ts';

describe('label selector strings', () => {
  const labels = { app: 'web', tier: 'front', size: '7', empty: '' };
  const cases: [selector: string, matches: boolean][] = [
    ['', true],
    ['app=web', true],
    ['app==web', true],
    ['app=db', false],
    ['app!=db', true],
    ['other!=db', true],
    ['app in (web, db)', true],
    ['app in (db)', false],
    ['other in (web)', false],
    ['app notin (web)', false],
    ['other notin (web)', true],
    ['app', true],
    ['other', false],
    ['!other', true],
    ['!app', false],
    ['size>5', true],
    ['size<7', false],
    ['tier>5', false],
    ['empty=', true],
    ['empty in ()', true],
    ['app=web,tier in (front,back),!old,size>5', true],
    ['app=web,tier=back', false],
    [' app = web , tier ', true],
  ];
  for (const [selector, matches] of cases) {
    test(`${JSON.stringify(selector)} ${matches ? 'selects' : 'does not select'}`, () => {
      assert.equal(parseLabelSelector(selector).matches(labels), matches);
    });
  }

  test('an object without labels is selected by absence only', () => {
    assert.equal(parseLabelSelector('!a,b!=c').matches(undefined), true);
    assert.equal(parseLabelSelector('a').matches(undefined), false);
  });

  test('they say what an index can look up', () => {
    assert.deepEqual(parseLabelSelector('a=b,c in (d),e in (f,g),h!=i,j').equalities, { a: 'b', c: 'd' });
  });

  test('they are written in order of their keys, and mean the same again', () => {
    const text = 'a=b,c in (d,e),f notin (g),h!=i,!j,k,l>5,m<6';
    assert.equal(formatLabelSelector(parseLabelSelector('m<6,l>5,k,!j,h!=i,f notin (g),c in (e,d),a=b')), text);
    assert.equal(formatLabelSelector(parseLabelSelector(text)), text);
  });

  // As labels.Parse of k8s.io/apimachinery v0.36.0 words them.
  const refused: [selector: string, message: string][] = [
    ['a=b=c', "found '=', expected: ',' or 'end of string'"],
    ['a in b', "unable to parse requirement: found 'b' expected: '('"],
    ['a in (b', "unable to parse requirement: found '', expected: ',' or ')'"],
    [',a', "found ',', expected: !, identifier, or 'end of string'"],
    ['a,', "found '', expected: identifier after ','"],
    ['!', "unable to parse requirement: found '', expected: identifier"],
  ];
  for (const [selector, message] of refused) {
    test(`${JSON.stringify(selector)} is refused`, () => {
      assert.throws(() => parseLabelSelector(selector), { code: 'BAD_LABEL_SELECTOR', message });
    });
  }

  test('a key or value that cannot be a label is refused', () => {
    assert.throws(() => parseLabelSelector('$a=b'), /<nil>: Invalid value: "\$a": name part must consist of/);
    assert.throws(() => parseLabelSelector('a=-b'), /values\[0\]\[a\]: Invalid value: "-b": a valid label must be/);
    assert.throws(() => parseLabelSelector('a>x'), /the value must be an integer/);
  });
});

describe('label selector objects', () => {
  test('one that is not there selects nothing, an empty one everything', () => {
    assert.equal(compileLabelSelector(undefined).matches({}), false);
    assert.equal(compileLabelSelector({}).matches(undefined), true);
    assert.equal(compileLabels({}).matches({}), false);
  });

  test('labels and expressions must all match', () => {
    const selection = compileLabelSelector({
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'NotIn', values: ['back'] },
        { key: 'old', operator: 'DoesNotExist' },
      ],
    });
    assert.equal(selection.matches({ app: 'web', tier: 'front' }), true);
    assert.equal(selection.matches({ app: 'web', tier: 'back' }), false);
    assert.equal(selection.matches({ app: 'web', old: '' }), false);
    assert.equal(formatLabelSelector(selection), 'app=web,!old,tier notin (back)');
  });

  test('an unknown operator is refused', () => {
    assert.throws(() => compileLabelSelector({ matchExpressions: [{ key: 'a', operator: 'Like' }] }), {
      message: '"Like" is not a valid label selector operator',
    });
  });
});

describe('field selectors', () => {
  const fields: Record<string, string> = { 'spec.nodeName': 'n1', 'status.phase': 'Running' };
  const matches = (selector: string) => parseFieldSelector(selector).matches((field) => fields[field] ?? '');

  test('all terms must hold', () => {
    assert.equal(matches('spec.nodeName=n1,status.phase!=Failed'), true);
    assert.equal(matches('spec.nodeName==n2'), false);
    assert.equal(matches('spec.other='), true);
    assert.equal(matches(''), true);
  });

  test('escaped signs belong to the value', () => {
    assert.deepEqual(parseFieldSelector(String.raw`a=b\,c\=d\\`).requirements, [
      { field: 'a', operator: '=', value: 'b,c=d\\' },
    ]);
  });

  test('what is no term is refused', () => {
    assert.throws(() => parseFieldSelector('a=b,c'), { message: "invalid selector: 'a=b,c'; can't understand 'c'" });
    assert.throws(() => parseFieldSelector('a=b=c'), {
      message: 'invalid field selector: unescaped character in value: 61',
    });
  });
});

describe('node selectors', () => {
  const node: Node = { metadata: { name: 'n1', labels: { zone: 'a', cores: '8' } } };
  const matches = (...matchExpressions: { key: string; operator: string; values?: string[] }[]) =>
    compileNodeSelector({ nodeSelectorTerms: [{ matchExpressions }] })(node);

  test('expressions of a term must all match', () => {
    assert.equal(
      matches({ key: 'zone', operator: 'In', values: ['a', 'b'] }, { key: 'cores', operator: 'Gt', values: ['4'] }),
      true,
    );
    assert.equal(matches({ key: 'zone', operator: 'Exists' }, { key: 'cores', operator: 'Lt', values: ['8'] }), false);
    assert.equal(matches({ key: 'disk', operator: 'NotIn', values: ['ssd'] }), true);
    assert.equal(matches({ key: 'disk', operator: 'In', values: ['ssd'] }), false);
    assert.equal(matches({ key: 'zone', operator: 'Gt', values: ['1'] }), false);
  });

  test('one of the terms is enough', () => {
    const terms = [
      { matchExpressions: [{ key: 'zone', operator: 'DoesNotExist' }] },
      { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] },
    ];
    assert.equal(compileNodeSelector({ nodeSelectorTerms: terms })(node), true);
  });

  test('a term without expressions, and a selector without terms, match no node', () => {
    assert.equal(compileNodeSelector({ nodeSelectorTerms: [{}] })(node), false);
    assert.equal(compileNodeSelector({ nodeSelectorTerms: [] })(node), false);
  });

  test('an unknown operator is refused', () => {
    assert.throws(() => matches({ key: 'a', operator: 'Like' }), { code: 'BAD_NODE_SELECTOR' });
  });
});
