import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { waitFor } from '../../base/wait.ts';
import { startTestApiServer } from '../testing.ts';
import { wireTo } from '../wire.ts';
import { definition, install } from './testing.ts';

interface Endpoint {
  apiVersion: string;
  readonly kind: string;
  readonly metadata: { name: string; labels?: object };
  hostPort?: string;
  host?: string;
  port?: string;
}

interface Review {
  readonly request: { readonly uid: string; readonly desiredAPIVersion: string; readonly objects: Endpoint[] };
}

const group = 'stable.example.com';
const path = (version: string, rest = '') => `/apis/${group}/${version}/namespaces/default/endpoints${rest}`;

/** The example of Kubernetes' documentation: `hostPort` of v1 is `host` and `port` in v2. */
function converted(object: Endpoint, apiVersion: string): Endpoint {
  const { hostPort = '', host, port, ...rest } = object;
  const [first, second] = hostPort.split(':');
  return apiVersion.endsWith('/v1')
    ? { ...rest, apiVersion, hostPort: `${host}:${port}` }
    : { ...rest, apiVersion, host: first, port: second };
}

const endpointOf = ({ text }: { readonly text: string }): Endpoint => JSON.parse(text);

/** An API server with a kind of two versions, and the webhook that translates them. */
async function startWithConversion(t: TestContext) {
  const server = await startTestApiServer();
  const wire = wireTo(server);
  const identity = await server.certificate('convert.default.svc', [], ['convert.default.svc']);
  const asked: Review['request'][] = [];
  const behaviour: { broken?: (object: Endpoint) => object; refusal?: string; wait?: Promise<void> } = {};
  const hook = createServer(identity, async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk);
    const { request }: Review = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    asked.push(request);
    await behaviour.wait;
    const { broken = (object: Endpoint) => object, refusal } = behaviour;
    const convertedObjects = request.objects.map((object) => broken(converted(object, request.desiredAPIVersion)));
    const result = refusal ? { status: 'Failure', message: refusal } : { status: 'Success' };
    const response = { uid: request.uid, result, convertedObjects };
    res.end(JSON.stringify({ kind: 'ConversionReview', apiVersion: 'apiextensions.k8s.io/v1', response }));
  });
  await new Promise<void>((resolve) => hook.listen(0, 'localhost', resolve));
  t.after(async () => {
    wire.close();
    hook.closeAllConnections();
    await new Promise((resolve) => hook.close(resolve));
    await server.stop();
  });
  const { port } = hook.address() as AddressInfo;
  const service = { namespace: 'default', name: 'convert', path: '/crdconvert', port };
  const spec = { type: 'ExternalName', externalName: 'localhost' };
  await wire.post('/api/v1/namespaces/default/services', { metadata: { name: 'convert' }, spec });
  const text = { type: 'string' };
  const version = (name: string, storage: boolean, properties: object) => ({
    name,
    storage,
    served: true,
    schema: { openAPIV3Schema: { type: 'object', properties } },
  });
  const crd = definition({
    group,
    plural: 'endpoints',
    kind: 'Endpoint',
    versions: [version('v1', true, { hostPort: text }), version('v2', false, { host: text, port: text })],
    conversion: {
      strategy: 'Webhook',
      webhook: {
        clientConfig: { service, caBundle: Buffer.from(server.ca).toString('base64') },
        conversionReviewVersions: ['v1'],
      },
    },
  });
  await install(wire, crd);
  const create = async (made: string, name: string, fields: object) => {
    const object = { apiVersion: `${group}/${made}`, kind: 'Endpoint', metadata: { name }, ...fields };
    const answer = await wire.post(path(made), object);
    assert.equal(answer.status, 201, answer.text);
    return endpointOf(answer);
  };
  const read = async (made: string, rest: string) => endpointOf(await wire.get(path(made, rest)));
  const list = async (made: string, query = '') => {
    const { items, metadata } = JSON.parse((await wire.get(path(made, query))).text);
    return { items: items as Endpoint[], more: metadata.continue as string };
  };
  return { wire, asked, behaviour, create, read, list };
}

test('each version shows what a conversion webhook makes of the stored one', async (t) => {
  const { wire, asked, create, read, list } = await startWithConversion(t);
  await create('v1', 'old', { hostPort: 'a:1' });
  assert.equal(asked.length, 0, 'the stored version is nobody’s to translate');
  const made = await create('v2', 'new', { host: 'b', port: '2' });
  assert.deepEqual([made.apiVersion, made.host, made.port], [`${group}/v2`, 'b', '2']);

  const one = await read('v2', '/old');
  assert.deepEqual([one.apiVersion, one.host, one.port, one.hostPort], [`${group}/v2`, 'a', '1', undefined]);
  const before = asked.length;
  await read('v2', '/old');
  assert.equal(asked.length, before, 'an object is translated once');

  assert.deepEqual(
    (await list('v1')).items.map(({ hostPort }) => hostPort),
    ['b:2', 'a:1'],
  );
  const first = await list('v2', '?limit=1');
  const rest = await list('v2', `?limit=1&continue=${first.more}`);
  assert.deepEqual([first.items[0]?.host, rest.items[0]?.host], ['b', 'a']);

  const patched = await wire.patch(path('v2', '/old'), 'merge', { port: '9', metadata: { labels: { a: 'b' } } });
  assert.deepEqual([patched.status, endpointOf(patched).port], [200, '9'], patched.text);
  const after = await read('v1', '/old');
  assert.deepEqual([after.hostPort, after.metadata.labels], ['a:9', { a: 'b' }]);
  assert.equal((await wire.delete(path('v2', '/old'))).status, 200);
});

test('a policy gets its parameters in the version that it names', async (t) => {
  const { wire, create } = await startWithConversion(t);
  await create('v1', 'params', { hostPort: 'a:1' });
  const registration = '/apis/admissionregistration.k8s.io/v1';
  const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] };
  await wire.post(`${registration}/validatingadmissionpolicies`, {
    metadata: { name: 'named' },
    spec: {
      paramKind: { apiVersion: `${group}/v2`, kind: 'Endpoint' },
      matchConstraints: { resourceRules: [rule] },
      validations: [{ expression: 'object.metadata.name == params.host' }],
    },
  });
  const paramRef = { name: 'params', parameterNotFoundAction: 'Deny' };
  await wire.post(`${registration}/validatingadmissionpolicybindings`, {
    metadata: { name: 'named' },
    spec: { policyName: 'named', validationActions: ['Deny'], paramRef },
  });
  const configMaps = '/api/v1/namespaces/default/configmaps';
  assert.equal((await wire.post(configMaps, { metadata: { name: 'a' } })).status, 201);
  assert.equal((await wire.post(configMaps, { metadata: { name: 'b' } })).status, 422);
});

test('watches of each version get what is translated, in order', async (t) => {
  const { wire, create } = await startWithConversion(t);
  await create('v1', 'old', { hostPort: 'a:1' });
  const seen: string[] = [];
  for await (const { type, object } of wire.watch(path('v2', '?watch=1'))) {
    const { host, port } = object as unknown as Endpoint;
    seen.push(`${type} ${host}:${port}`);
    if (seen.length === 1) {
      for (const next of ['2', '3', '4']) await wire.patch(path('v1', '/old'), 'merge', { hostPort: `a:${next}` });
      await create('v2', 'new', { host: 'b', port: '5' });
    }
    if (seen.length === 5) break;
  }
  assert.deepEqual(seen, ['ADDED a:1', 'MODIFIED a:2', 'MODIFIED a:3', 'MODIFIED a:4', 'ADDED b:5']);
});

test('what comes while others are translated is sent once, and translated too', async (t) => {
  const { wire, asked, behaviour, create } = await startWithConversion(t);
  await create('v1', 'old', { hostPort: 'a:1' });
  const gate = Promise.withResolvers<void>();
  behaviour.wait = gate.promise;
  // Of all namespaces: its list is the cache's own.
  const watch = wire.watch(`/apis/${group}/v2/endpoints?watch=1`);
  const first = watch.next();
  await waitFor(() => asked.length === 1, { what: 'the webhook to be asked', timeoutMs: 30_000, intervalMs: 5 });
  await create('v1', 'meanwhile', { hostPort: 'b:2' });
  gate.resolve();
  const events = [(await first).value, (await watch.next()).value] as unknown as { object: Endpoint }[];
  assert.deepEqual(
    events.map(({ object }) => [object.metadata.name, object.host, object.port]),
    [
      ['old', 'a', '1'],
      ['meanwhile', 'b', '2'],
    ],
  );
  await watch.return(undefined);
});

test('a webhook that fails, or answers with something else, is told of and changes nothing', async (t) => {
  const { wire, behaviour, create, list } = await startWithConversion(t);
  await create('v1', 'old', { hostPort: 'a:1' });
  const fails = async (message: RegExp) => {
    const answer = await wire.get(path('v2'));
    assert.equal(answer.status, 500);
    assert.match(answer.json.message, message);
  };
  behaviour.refusal = 'not today';
  await fails(/^conversion webhook for stable.example.com\/v1, Kind=Endpoint failed: not today$/);
  const object = { apiVersion: `${group}/v2`, kind: 'Endpoint', metadata: { name: 'new' }, host: 'b', port: '2' };
  assert.equal((await wire.post(path('v2'), object)).status, 500);
  behaviour.refusal = undefined;
  behaviour.broken = (each) => ({ ...each, metadata: { ...each.metadata, name: 'another' } });
  await fails(/must not change metadata.name/);
  behaviour.broken = (each) => ({ ...each, apiVersion: 'v7' });
  await fails(/wrong apiVersion: v7, expected stable.example.com\/v2/);
  assert.equal((await list('v1')).items[0]?.hostPort, 'a:1', 'who needs no translation never noticed');
  behaviour.broken = undefined;
  assert.equal((await list('v2')).items.length, 1);
});

test('a webhook that nobody could ask, or that says nothing that is understood, is refused', async (t) => {
  const { wire } = await startWithConversion(t);
  const definition = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/endpoints.stable.example.com';
  const causesOf = async (conversion: object) => {
    const answer = await wire.patch(definition, 'merge', { spec: { conversion } });
    assert.equal(answer.status, 422, answer.text);
    return JSON.parse(answer.text).details.causes.map(({ message }: { message: string }) => message);
  };
  const clientConfig = { service: null, url: 'http://convert.example.com' };
  assert.deepEqual(await causesOf({ webhook: { clientConfig, conversionReviewVersions: ['v7', 'v7'] } }), [
    `Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]`,
    'Invalid value: "v7": duplicate version',
    'Invalid value: ["v7","v7"]: must include at least one of v1, v1beta1',
  ]);
  const alone = 'Forbidden: should not be set when strategy is not set to Webhook';
  assert.deepEqual(await causesOf({ strategy: 'None' }), [alone, alone]);
});
