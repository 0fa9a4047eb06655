import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { waitFor } from '../../base/wait.ts';
import { startTestApiServer } from '../testing.ts';
import { wireTo } from '../wire.ts';
import { readAuditPolicy } from './policy.ts';

interface Event {
  readonly level: string;
  readonly stage: string;
  readonly auditID: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string };
  readonly impersonatedUser?: { readonly username: string };
  readonly objectRef?: { readonly resource: string; readonly name?: string; readonly subresource?: string };
  readonly responseStatus?: { readonly code: number; readonly reason?: string };
  readonly requestObject?: { readonly data: object };
  readonly responseObject?: { readonly metadata: object };
  readonly annotations?: Record<string, string>;
  readonly sourceIPs?: readonly string[];
}

function policyFile(t: TestContext, policy: object): { folder: string; path: string } {
  const folder = mkdtempSync(join(tmpdir(), 'knit-audit-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'policy.json');
  writeFileSync(path, JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', ...policy }));
  return { folder, path };
}

async function startWithPolicy(t: TestContext, policy: object) {
  const { folder, path } = policyFile(t, policy);
  const log = join(folder, 'audit.log');
  const server = await startTestApiServer({ audit: { policy: path, log } });
  const wire = wireTo(server);
  t.after(async () => {
    wire.close();
    await server.stop();
  });
  const events = (): Event[] => {
    const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Event);
  };
  const until = async (what: string, found: (event: Event) => boolean): Promise<Event> => {
    await waitFor(() => events().some(found), { what, timeoutMs: 30_000, intervalMs: 5 });
    return events().find(found)!;
  };
  return { server, wire, events, until };
}

const configMaps = '/api/v1/namespaces/default/configmaps';

test('each request is told as far as the first rule that matches wants it', async (t) => {
  const { wire, events, until } = await startWithPolicy(t, {
    omitStages: ['RequestReceived'],
    rules: [
      { level: 'None', users: ['system:apiserver'] },
      { level: 'RequestResponse', verbs: ['create'], resources: [{ group: '', resources: ['configmaps'] }] },
      { level: 'Metadata', resources: [{ group: '', resources: ['secrets', 'configmaps'] }], omitManagedFields: true },
      { level: 'None', nonResourceURLs: ['/api*'] },
      { level: 'Metadata', nonResourceURLs: ['/version'] },
    ],
  });
  await wire.get('/api');
  const made = await wire.post(configMaps, { metadata: { name: 'a' }, data: { a: 'b' } }, { 'user-agent': 'test/1' });
  await wire.post('/api/v1/namespaces/default/secrets', { metadata: { name: 's' }, stringData: { a: 'hidden' } });
  await wire.get(`${configMaps}/gone`);
  await wire.get('/version', { 'impersonate-user': 'bill' });
  await until('the last', ({ requestURI }) => requestURI === '/version');
  assert.deepEqual(
    events().map(({ verb, level, stage, objectRef, responseStatus }) => [
      verb,
      level,
      stage,
      objectRef?.resource,
      responseStatus?.code,
    ]),
    [
      ['create', 'RequestResponse', 'ResponseComplete', 'configmaps', 201],
      ['create', 'Metadata', 'ResponseComplete', 'secrets', 201],
      ['get', 'Metadata', 'ResponseComplete', 'configmaps', 404],
      ['get', 'Metadata', 'ResponseComplete', undefined, 200],
    ],
  );
  const [first, secret, missing, last] = events();
  assert.equal(made.headers['audit-id'], first?.auditID);
  assert.deepEqual(first?.requestObject?.data, { a: 'b' });
  assert.ok(first?.responseObject?.metadata);
  assert.deepEqual(first?.sourceIPs, ['127.0.0.1']);
  assert.deepEqual([secret?.requestObject, secret?.responseObject], [undefined, undefined]);
  assert.equal(missing?.responseStatus?.reason, 'NotFound');
  assert.equal(last?.impersonatedUser?.username, 'bill');
});

test('a watch is told when it starts and when it ends, and what is forbidden as such', async (t) => {
  const { server, wire, until } = await startWithPolicy(t, { rules: [{ level: 'Metadata' }] });
  await wire.post(configMaps, { metadata: { name: 'a' } });
  for await (const _ of wire.watch(`${configMaps}?watch=1`)) break;
  const isWatch = (stage: string) => (event: Event) => event.verb === 'watch' && event.stage === stage;
  const started = await until('the start', isWatch('ResponseStarted'));
  const ended = await until('the end', isWatch('ResponseComplete'));
  assert.equal(started.auditID, ended.auditID);
  const jane = wireTo(server, await server.certificate('jane'));
  await jane.get(configMaps);
  jane.close();
  const refused = await until(
    'the refusal',
    ({ user, stage }) => user.username === 'jane' && stage === 'ResponseComplete',
  );
  assert.deepEqual(refused.annotations, { 'authorization.k8s.io/decision': 'forbid' });
});

test('an upgrade is told with what came of it', async (t) => {
  const { server, until } = await startWithPolicy(t, { rules: [{ level: 'Metadata' }] });
  const { cert, key } = await server.certificate('jane');
  const { port } = new URL(server.url);
  const path = '/api/v1/namespaces/default/pods/a/exec?command=ls';
  const headers = { connection: 'Upgrade', upgrade: 'websocket' };
  const call = https.request({ host: '127.0.0.1', port, path, headers, cert, key, ca: server.ca, agent: false });
  call.end();
  const [response] = await once(call, 'response');
  response.destroy();
  const told = await until('the refusal', ({ stage, verb }) => stage === 'ResponseComplete' && verb === 'get');
  assert.deepEqual([response.statusCode, told.responseStatus?.code, told.objectRef?.subresource], [403, 403, 'exec']);
  assert.deepEqual(told.annotations, { 'authorization.k8s.io/decision': 'forbid' });
});

test('Pod Security and policies of admission have their say in annotations', async (t) => {
  const { wire, until } = await startWithPolicy(t, { rules: [{ level: 'Metadata' }] });
  const told = (verb: string, name: string) =>
    until(`${verb} of ${name}`, (event) => event.objectRef?.name === name && event.verb === verb && isDone(event));
  const isDone = ({ stage }: Event) => stage === 'ResponseComplete';
  const labels = { 'pod-security.kubernetes.io/audit': 'restricted' };
  await wire.post('/api/v1/namespaces', { metadata: { name: 'audited', labels } });
  await wire.post('/api/v1/namespaces/audited/serviceaccounts', { metadata: { name: 'default' } });
  const containers = [{ name: 'web', image: 'web' }];
  const pods = '/api/v1/namespaces/audited/pods';
  assert.equal((await wire.post(pods, { metadata: { name: 'lax' }, spec: { containers } })).status, 201);
  const lax = await told('create', 'lax');
  assert.equal(lax.annotations?.['pod-security.kubernetes.io/enforce-policy'], 'privileged:latest');
  assert.match(
    lax.annotations?.['pod-security.kubernetes.io/audit-violations'] ?? '',
    /^would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false/,
  );

  const registration = '/apis/admissionregistration.k8s.io/v1';
  const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['configmaps'] };
  await wire.post(`${registration}/validatingadmissionpolicies`, {
    metadata: { name: 'small' },
    spec: {
      matchConstraints: { resourceRules: [rule] },
      validations: [{ expression: 'true' }, { expression: 'size(object.data) < 2', message: 'too large' }],
      auditAnnotations: [
        { key: 'size', valueExpression: 'string(size(object.data))' },
        { key: 'nothing', valueExpression: 'null' },
      ],
    },
  });
  await wire.post(`${registration}/validatingadmissionpolicybindings`, {
    metadata: { name: 'everywhere' },
    spec: { policyName: 'small', validationActions: ['Audit'] },
  });
  await wire.post(configMaps, { metadata: { name: 'a' } });
  const changed = await wire.put(`${configMaps}/a`, { metadata: { name: 'a' }, data: { x: '1', y: '2' } });
  assert.equal(changed.status, 200);
  const { annotations = {} } = await told('update', 'a');
  assert.equal(annotations['small/size'], '2');
  assert.equal(annotations['small/nothing'], undefined);
  const failures = JSON.parse(annotations['validation.policy.admission.k8s.io/validation_failure'] ?? '');
  assert.deepEqual(failures, [
    { message: 'too large', policy: 'small', binding: 'everywhere', expressionIndex: 1, validationActions: ['Audit'] },
  ]);
});

test('a wrong policy is refused with what is wrong', (t) => {
  const refused = (policy: object, pattern: RegExp) =>
    assert.throws(() => readAuditPolicy(policyFile(t, policy).path), pattern);
  refused({}, /rules: must be a list that is not empty/);
  refused({ rules: [{ level: 'All' }] }, /rules\[0\]\.level: All: must be one of None, Metadata, Request/);
  refused({ rules: [{ level: 'None', omitStages: ['Never'] }] }, /omitStages: Never: must be one of RequestReceived/);
});
