import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestCluster } from './cluster.ts';
import { eventually } from './cluster.ts';
import { type Answer, type AskOptions, ask, ingress } from './ingress.ts';

/** A cluster with the Services `one`, `two` and `three` of `webServer`, and a Secret `bar-tls` for `foo.bar.com`. */
export interface IngressScenarios {
  readonly cluster: () => TestCluster;
  /** Whose certificate is shown for a name: its common name. */
  certificateOf(servername: string): Promise<string | undefined>;
}

/** Host, path, and who answers: a Service, or nobody with this status. */
type Row = readonly [host: string, path: string, who: 'one' | 'two' | 'three' | 404];

const paths: readonly Row[] = [
  ['exact-path-rules', '/foo', 'one'],
  ['exact-path-rules', '/foo/', 404],
  ['exact-path-rules', '/FOO', 404],
  ['exact-path-rules', '/bar', 404],
  ['prefix-path-rules', '/foo', 'one'],
  ['prefix-path-rules', '/foo/', 'one'],
  ['prefix-path-rules', '/FOO', 404],
  ['prefix-path-rules', '/aaa/bbb', 'two'],
  ['prefix-path-rules', '/aaa/bbb/ccc', 'two'],
  ['prefix-path-rules', '/aaa/ccc', 'three'],
  ['prefix-path-rules', '/aaaccc', 404],
  ['mixed-path-rules', '/foo', 'two'],
  ['trailing-slash-path-rules', '/aaa/bbb', 'one'],
  ['trailing-slash-path-rules', '/aaa/bbb/', 'one'],
  ['trailing-slash-path-rules', '/foo', 404],
];

const hosts: readonly Row[] = [
  ['foo.bar.com', '/', 'two'],
  ['subdomain.bar.com', '/', 404],
  ['bar.foo.com', '/', 'one'],
  ['baz.bar.foo.com', '/', 404],
  ['foo.com', '/', 404],
];

const methods = [
  ['GET', 'my-host', '/'],
  ['GET', 'my-host', '/sub-path'],
  ['POST', 'some-host', '/'],
  ['PUT', '', '/resource'],
  ['DELETE', 'some-host', '/resource'],
  ['PATCH', 'my-host', '/resource'],
] as const;

/** The scenarios of kubernetes-sigs/ingress-controller-conformance (`features/`), each as a row. */
export function ingressScenarios({ cluster, certificateOf }: IngressScenarios): void {
  const askHost = (host: string, path: string, options?: AskOptions) =>
    ask(cluster().config.addresses.ingress, host || cluster().config.addresses.ingress, path, options);
  const becomes = (host: string, path: string, who: Row[2]) =>
    eventually(`${host}${path} to be answered by ${who}`, async () => whoIs(await askHost(host, path)) === who);

  test('path rules', async () => {
    await cluster().apply(
      ingress('path-rules', {
        'exact-path-rules': [{ path: '/foo', type: 'Exact', service: 'one' }],
        'prefix-path-rules': [
          { path: '/foo', service: 'one' },
          { path: '/aaa/bbb', service: 'two' },
          { path: '/aaa', service: 'three' },
        ],
        'mixed-path-rules': [
          { path: '/foo', service: 'one' },
          { path: '/foo', type: 'Exact', service: 'two' },
        ],
        'trailing-slash-path-rules': [
          { path: '/aaa/bbb/', service: 'one' },
          { path: '/foo/', type: 'Exact', service: 'two' },
        ],
      }),
    );
    await becomes('prefix-path-rules', '/aaa', 'three');
    for (const [host, path, who] of paths) {
      const answer = await askHost(host, path);
      assert.equal(whoIs(answer), who, `${host}${path}`);
      if (who !== 404) assert.equal(answer.told.path, path);
    }
  });

  test('host rules', async () => {
    const tls = [{ hosts: ['foo.bar.com'], secretName: 'bar-tls' }];
    const rules = { '*.foo.com': [{ service: 'one' }], 'foo.bar.com': [{ service: 'two' }] };
    await cluster().apply(ingress('host-rules', rules, { tls }));
    await becomes('foo.bar.com', '/', 'two');
    for (const [host, path, who] of hosts) {
      const answer = await askHost(host, path);
      assert.equal(whoIs(answer), who, host);
      if (who !== 404) assert.equal(answer.told.headers?.host, host);
    }
    const secure = await askHost('foo.bar.com', '/', { servername: 'foo.bar.com' });
    assert.deepEqual([whoIs(secure), secure.told.headers?.host], ['two', 'foo.bar.com']);
    assert.equal(await certificateOf('foo.bar.com'), 'foo.bar.com');
  });

  test('a class that nobody has is served by nobody', async () => {
    await cluster().apply(
      ingress('nobodys', { 'ingress-class': [{ service: 'one' }] }, { className: 'some-invalid-class-name' }),
      ingress('sentinel', { 'ingress-class-sentinel': [{ service: 'one' }] }),
    );
    await becomes('ingress-class-sentinel', '/', 'one');
    assert.equal((await askHost('ingress-class', '/')).status, 404);
    const { status } = await cluster().get<{ status: { loadBalancer?: object } }>('ingress', 'nobodys');
    assert.deepEqual(status.loadBalancer, {});
  });

  test('a default backend gets every method, host and path, as they were sent', async () => {
    const defaultBackend = { service: { name: 'one', port: { number: 80 } } };
    await cluster().apply(ingress('default-backend', {}, { defaultBackend }));
    await becomes('my-host', '/', 'one');
    for (const [method, host, path] of methods) {
      const answer = await askHost(host, path, { method, headers: { 'user-agent': 'scenario/1.1' } });
      const { told, headers } = answer;
      assert.deepEqual(
        [whoIs(answer), told.method, told.path, told.version, told.headers?.['user-agent']],
        ['one', method, path, '1.1', 'scenario/1.1'],
      );
      for (const header of ['content-length', 'content-type', 'date']) assert.ok(headers[header], header);
    }
    await cluster().kubectl(['delete', 'ingress', 'default-backend']);
  });

  test('all of ten pods get requests, through node ports and straight to them', async () => {
    const labels = { app: 'ten' };
    const containers = [{ name: 'lab', image: 'knit.dev/lab:1', readinessProbe: { tcpSocket: { port: 8080 } } }];
    const template = { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers } };
    const ports = [{ name: 'http', port: 80, targetPort: 8080 }];
    await cluster().apply(
      {
        ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'ten' } },
        spec: { replicas: 10, selector: { matchLabels: labels }, template },
      },
      {
        ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'ten' } },
        spec: { type: 'NodePort', selector: labels, ports },
      },
      ingress('ten-nodes', { 'ten-nodes': [{ service: 'ten' }] }),
      ingress('ten-pods', { 'ten-pods': [{ service: 'ten' }] }, { annotations: { backends: 'pods' } }),
    );
    await cluster().kubectl(['rollout', 'status', 'deployment/ten', '--timeout=110s']);
    // Straight to pods takes turns; through a node port each is drawn: of 200 each of ten is one but for 1 in 10^8.
    for (const [host, count] of [
      ['ten-pods', 20],
      ['ten-nodes', 200],
    ] as const)
      await eventually(`ten pods behind ${host}`, async () => {
        const answers = await Promise.all(Array.from({ length: count }, () => askHost(host, '/')));
        const pods = answers.map(({ text }) => /^pod +(\S+)/.exec(text)?.[1]);
        return answers.every(({ status }) => status === 200) && new Set(pods).size === 10;
      });
    await cluster().kubectl(['delete', 'deployment/ten', 'service/ten', 'ingress/ten-nodes', 'ingress/ten-pods']);
  });
}

function whoIs({ status, told }: Answer): string | number {
  return status === 200 ? (told.pod?.split('-')[0] ?? 'nobody') : status;
}
