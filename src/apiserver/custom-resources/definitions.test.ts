import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startTestApiServer } from '../testing.ts';
import { type WireAnswer, wireTo } from '../wire.ts';
import { definition, install, type Wire } from './testing.ts';

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const names = { group: 'example.com', plural: 'things', kind: 'Thing' };
const text = { type: 'string' };

async function start(t: TestContext): Promise<Wire> {
  const server = await startTestApiServer();
  const wire = wireTo(server);
  t.after(async () => {
    wire.close();
    await server.stop();
  });
  return wire;
}

/** What is wrong with a definition, as it is answered. */
async function causesOf(wire: Wire, body: object): Promise<string[]> {
  return causesIn(await wire.post(`${definitions}?dryRun=All`, body));
}

function causesIn({ json }: WireAnswer): string[] {
  const causes = (json.details?.causes ?? []) as unknown as { field: string; message: string }[];
  return causes.map(({ field, message }) => `${field}: ${message}`);
}

const version = (name: string, schema: object | undefined, more: object = {}) => ({
  name,
  served: true,
  storage: name === 'v1',
  schema: schema && { openAPIV3Schema: schema },
  ...more,
});
const withField = (field: object) => ({ type: 'object', properties: { field } });
const one = (field: object, more: object = {}) =>
  definition({ ...names, versions: [version('v1', withField(field), more)] });

test('what all versions have alike is spoken of once, where Kubernetes has it', async (t) => {
  const wire = await start(t);
  const wrong = withField({ type: 'array' });
  const columns = { additionalPrinterColumns: [{ name: 'A', type: 'text', jsonPath: '.a' }] };
  const types = 'must be one of boolean,date,integer,number,string';
  assert.deepEqual(await causesOf(wire, one({ type: 'array' }, columns)), [
    'spec.validation.openAPIV3Schema.properties[field].items: Required value: must be specified',
    `spec.additionalPrinterColumns[0].type: Invalid value: "text": ${types}`,
  ]);
  const alike = definition({ ...names, versions: [version('v1', wrong), version('v2', wrong)] });
  assert.deepEqual(await causesOf(wire, alike), [
    'spec.validation.openAPIV3Schema.properties[field].items: Required value: must be specified',
  ]);
  const different = [version('v1', wrong, columns), version('v2', withField(text))];
  assert.deepEqual(await causesOf(wire, definition({ ...names, versions: different })), [
    'spec.versions[0].schema.openAPIV3Schema.properties[field].items: Required value: must be specified',
    `spec.versions[0].additionalPrinterColumns[0].type: Invalid value: "text": ${types}`,
  ]);
});

test('a version without a name or a schema is told of', async (t) => {
  const wire = await start(t);
  const [nameless, ...others] = await causesOf(wire, definition({ ...names, versions: [{ served: true }] }));
  assert.match(nameless ?? '', /^spec\.versions\[0\]\.name: Invalid value: "": a DNS-1035 label must consist/);
  assert.deepEqual(others, [
    'spec.versions[0].schema.openAPIV3Schema: Required value',
    'spec.versions: Invalid value: [{"served":true}]: must have exactly one version marked as storage version',
    'status.storedVersions: Invalid value: null: must have at least one stored version',
  ]);
  const two = [version('v1', withField(text)), version('v1', withField(text))];
  assert.match((await causesOf(wire, definition({ ...names, versions: two }))).join(), /must contain unique version/);
});

test('a definition says whether its objects are in namespaces', async (t) => {
  const wire = await start(t);
  const { spec, ...rest } = one(text);
  assert.deepEqual(await causesOf(wire, { ...rest, spec: { ...spec, scope: '' } }), ['spec.scope: Required value']);
});

test('defaults must be what their schema allows', async (t) => {
  const wire = await start(t);
  const at = 'spec.validation.openAPIV3Schema.properties[field].default';
  assert.deepEqual(await causesOf(wire, one({ ...text, default: { a: 1 } })), [
    `${at}: Invalid value: {"a":1}: must not have unknown fields`,
    `${at}: Invalid value: "object":  in body must be of type string: "object"`,
  ]);
  const items = { type: 'object', required: ['a'], properties: { a: text } };
  assert.deepEqual(await causesOf(wire, one({ type: 'array', items, default: [{}] })), [`${at}.[0].a: Required value`]);
  const embedded = { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: text } };
  assert.deepEqual(await causesOf(wire, one({ ...embedded, default: { apiVersion: 'v1' } })), [
    `${at}.kind: Required value`,
  ]);
  const rule = { rule: 'self != "a"', message: 'no a' };
  assert.deepEqual(await causesOf(wire, one({ ...text, default: 'a', 'x-kubernetes-validations': [rule] })), [
    `${at}: Invalid value: "a": no a`,
  ]);
});

test('the field of a rule, and one that can be selected, is a field', async (t) => {
  const wire = await start(t);
  const inner = { type: 'object', properties: { 'a.b': text, list: { type: 'array', items: text } } };
  const rules = (fieldPath: string) => one({ ...inner, 'x-kubernetes-validations': [{ rule: 'true', fieldPath }] });
  for (const path of ["['a.b']", '.list']) assert.deepEqual(await causesOf(wire, rules(path)), []);
  const at = 'spec.validation.openAPIV3Schema.properties[field].x-kubernetes-validations[0].fieldPath';
  for (const path of ['list', '.none', '.list[0]', "['a.b'"]) {
    assert.deepEqual(await causesOf(wire, rules(path)), [
      `${at}: Invalid value: ${JSON.stringify(path)}: must be a valid path`,
    ]);
  }
  const paths = ['.metadata.name', 'field', '.field[0]', '.field', '.none', '.field'];
  const selectable = one(text, { selectableFields: paths.map((jsonPath) => ({ jsonPath })) });
  const wrong = (index: number, detail: string) =>
    `spec.selectableFields[${index}].jsonPath: Invalid value: ${JSON.stringify(paths[index])}: ${detail}`;
  assert.deepEqual(await causesOf(wire, selectable), [
    wrong(0, 'is an invalid path: does not refer to a valid field'),
    wrong(1, 'is an invalid path: expected [ or . but got: field'),
    wrong(2, 'is an invalid path: array notation is not allowed'),
    wrong(4, 'is an invalid path: does not refer to a valid field'),
    'spec.selectableFields[5].jsonPath: Duplicate value: ".field"',
  ]);
});

test('keywords that CRDs may not use are told of alone', async (t) => {
  const wire = await start(t);
  const at = 'spec.validation.openAPIV3Schema.properties[field]';
  assert.deepEqual(await causesOf(wire, one({ items: [text], type: 'array' })), [
    `${at}.items: Forbidden: items must be a schema object and not an array`,
  ]);
  assert.deepEqual(await causesOf(wire, one({ type: 'null' })), [
    `${at}.type: Unsupported value: "null": supported values: "array", "boolean", "integer", "number", "object", "string"`,
    `${at}.type: Forbidden: type cannot be set to null, use nullable as an alternative`,
  ]);
});

test('of a schema without a type, rules see nothing', async (t) => {
  const wire = await start(t);
  const anything = { 'x-kubernetes-preserve-unknown-fields': true, 'x-kubernetes-validations': [{ rule: 'true' }] };
  assert.deepEqual(await causesOf(wire, one(anything)), [
    'spec.validation.openAPIV3Schema.properties[field].x-kubernetes-validations: Internal error: internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations',
  ]);
});

test('patterns are those of Go', async (t) => {
  const wire = await start(t);
  const at = 'spec.validation.openAPIV3Schema.properties[field].pattern';
  const cases = [
    ['(?=a)', 'invalid or unsupported Perl syntax: `(?=`'],
    ['a{1001}', 'invalid repeat count: `{1001}`'],
    ['\\Z', 'invalid escape sequence: `\\Z`'],
    ['(a)\\1', 'invalid escape sequence: `\\1`'],
    ['a(', 'missing closing ): `a(`'],
    ['a)', 'unexpected ): `a)`'],
    ['a[b', 'missing closing ]: `[b`'],
    ['*', 'missing argument to repetition operator: `*`'],
  ];
  for (const [pattern, detail] of cases) {
    const because = `must be a valid regular expression, but isn't: error parsing regexp: ${detail}`;
    assert.deepEqual(await causesOf(wire, one({ ...text, pattern })), [
      `${at}: Invalid value: ${JSON.stringify(pattern)}: ${because}`,
    ]);
  }
  for (const pattern of ['[(?=)]', '\\(?=', '(?i)a\\d{1,1000}$', '\\x41\\pL']) {
    assert.deepEqual(await causesOf(wire, one({ ...text, pattern })), []);
  }
  const rule = { rule: 'self.matches("a(")' };
  const [wrong] = await causesOf(wire, one({ ...text, maxLength: 5, 'x-kubernetes-validations': [rule] }));
  assert.match(wrong ?? '', /compilation failed: ERROR: <input>:1:14: invalid matches argument/);
});

test('what is there keeps its name; the names that it got are names', async (t) => {
  const wire = await start(t);
  const body = one(text);
  await install(wire, body);
  const path = `${definitions}/things.example.com`;
  const { json } = await wire.get(path);
  const { spec, ...rest } = json as unknown as typeof body;
  const moved = await wire.put(path, { ...rest, spec: { ...spec, group: 'example.org' } });
  assert.deepEqual(causesIn(moved), ['spec.group: Invalid value: "example.org": field is immutable']);
  const acceptedNames = { plural: 'things', kind: 'A', listKind: 'A', categories: [''] };
  const named = await wire.patch(`${path}/status`, 'merge', { status: { acceptedNames } });
  const [same, category] = causesIn(named);
  assert.equal(same, 'status.acceptedNames.listKind: Invalid value: "A": kind and listKind may not be the same');
  assert.match(category ?? '', /^status\.acceptedNames\.categories\[0\]: Invalid value: "": a DNS-1035 label/);
});

test('a status that does not say where objects may be stored is told so', async (t) => {
  const wire = await start(t);
  await install(wire, one(text));
  const path = `${definitions}/things.example.com`;
  const { json } = await wire.get(path);
  const written = await wire.put(`${path}/status`, { ...json, status: {} });
  const status = { acceptedNames: { kind: '', plural: '' }, storedVersions: ['v1'] };
  assert.deepEqual(written.json.status, status, written.text);
});

test('a warning of deprecation is a printable line', async (t) => {
  const wire = await start(t);
  const warned = (deprecationWarning: string) => one(text, { deprecated: true, deprecationWarning });
  assert.deepEqual(await causesOf(wire, warned('é\n')), [
    'spec.versions[0].deprecationWarning: Invalid value: "é\\n": must only contain printable UTF-8 characters; non-printable character found at index 2',
  ]);
  assert.deepEqual(await causesOf(wire, warned('use v2')), []);
});
