import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CertificateAuthority } from '../../cluster/pki.ts';
import { tryRun } from '../../kernel/run.ts';
import { formatConfig, frameOf, serversOf } from '../ingress/haproxy/config.ts';
import { certificateListPath, certificatePath, proxyFiles } from '../ingress/haproxy/files.ts';
import { portRoutes } from '../ingress/haproxy/ports.ts';
import { formatMap } from '../ingress/haproxy/routes.ts';
import type { RoutingPlan } from '../ingress/plan.ts';
import { gatewayGroup, type TLSRoute } from './objects.ts';
import { planGateways } from './plan.ts';
import { testGateway, testListener, testRoute, testWorld } from './testing.ts';

test('HAProxy accepts what becomes of Gateways and routes, whatever people wrote into them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'knit-haproxy-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files = proxyFiles(folder, folder);
  const { cert, key } = await (await CertificateAuthority.open(folder)).identity('x', { commonName: 'x' });
  const odd = `it's "a" %[path] %% \\1 {$HOME} #;<< ,)`;
  const path = `/${odd.replaceAll(' ', '_')}`;
  const headers = [
    { name: "x'`|~!#$%&*+^.-", value: odd },
    { name: 'x-re', type: 'RegularExpression', value: `[a-z]{2,3}(?:'|"|\\.)+$` },
  ];
  const backendRefs = [
    { name: 'web', port: 80, weight: 3 },
    { name: 'none', port: 80, weight: 2 },
  ];
  const changes = { set: [{ name: headers[0]!.name, value: odd }], add: [{ name: 'a', value: odd }], remove: ['b'] };
  const listeners = [
    testListener(),
    testListener({ name: 'a', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'x' }] } }),
    testListener({
      name: 'b',
      port: 443,
      protocol: 'HTTPS',
      hostname: '*.a.test',
      tls: { certificateRefs: [{ name: 'x' }] },
    }),
    testListener({ name: 'c', port: 8443, protocol: 'TLS', tls: { mode: 'Passthrough' } }),
    testListener({
      name: 'd',
      port: 9443,
      protocol: 'TLS',
      tls: { mode: 'Terminate', certificateRefs: [{ name: 'x' }] },
    }),
  ];
  const routes = [
    testRoute('odd', [
      {
        matches: [{ path: { type: 'Exact', value: path }, headers, queryParams: headers, method: 'PUT' }],
        backendRefs,
      },
      {
        matches: [{ path: { value: path } }],
        backendRefs: [{ name: 'web', port: 80 }],
        filters: [
          { type: 'RequestHeaderModifier', requestHeaderModifier: changes },
          { type: 'ResponseHeaderModifier', responseHeaderModifier: changes },
          {
            type: 'CORS',
            cors: {
              allowOrigins: ['*', 'https://*.a.test'],
              allowMethods: ['*'],
              allowHeaders: ['x'],
              exposeHeaders: ['y'],
            },
          },
          {
            type: 'URLRewrite',
            urlRewrite: { hostname: 'b.test', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: path } },
          },
        ],
        timeouts: { request: '0s' },
      },
      {
        matches: [{ path: { type: 'RegularExpression', value: '/[^/]+/x' } }],
        filters: [
          {
            type: 'RequestRedirect',
            requestRedirect: { port: 8080, path: { type: 'ReplaceFullPath', replaceFullPath: path }, statusCode: 308 },
          },
        ],
      },
    ]),
    testRoute('wildcards', [{ backendRefs }], { hostnames: ['*.test', 'x.a.test', '*.b.a.test'] }),
  ];
  const tlsRoute: TLSRoute = {
    apiVersion: `${gatewayGroup}/v1`,
    kind: 'TLSRoute',
    metadata: { name: 'tls', namespace: 'shop' },
    spec: { parentRefs: [{ name: 'gw' }], hostnames: ['*.a.test', 'a.test'], rules: [{ backendRefs }] },
  };
  const data = { 'tls.crt': Buffer.from(cert).toString('base64'), 'tls.key': Buffer.from(key).toString('base64') };
  const world = {
    gateways: [testGateway('gw', listeners)],
    routes,
    tlsRoutes: [tlsRoute],
    secrets: { 'shop/x': { data } },
  };
  const { ports, wants, answering, certificates, routes: reports } = planGateways(testWorld(world));
  assert.deepEqual(
    reports.flatMap(({ parents }) => parents.flatMap(({ verdicts }) => verdicts.map(({ reason }) => reason))),
    ['Accepted', 'BackendNotFound', 'Accepted', 'BackendNotFound', 'Accepted', 'BackendNotFound'],
  );
  const server = { name: 'a', address: '10.0.0.1', port: 30080, protocol: 'http' as const, node: 'a' };
  const served = [...wants.values()].map(({ name, policy }) => ({ name, policy, servers: [server] }));
  const plan: RoutingPlan = {
    routes: new Map(),
    ports,
    backends: new Map([...served, ...answering.values()].map((each) => [each.name, each])),
    certificates,
    pems: new Map(),
    nodes: [{ name: 'a', address: '10.0.0.1' }],
    hosts: [],
    trustedProxies: [],
  };
  mkdirSync(files.certificates);
  for (const name of ['default', ...certificates.keys()])
    writeFileSync(certificatePath(files, name), `${cert}\n${key}`);
  writeFileSync(files.certificateList, `${certificatePath(files, 'default')}\n`);
  for (const { name, port, hosts } of certificates.values()) {
    writeFileSync(certificateListPath(files, port), `${certificatePath(files, name)} ${hosts.join(' ')}\n`);
  }
  const options = { files, addresses: ['192.0.2.1'], metricsFor: ['10.0.0.0/8'], connectTimeoutMs: 1500 };
  writeFileSync(files.routes, formatMap(portRoutes(ports.values())));
  writeFileSync(files.config, formatConfig(frameOf(plan, options), serversOf(plan, files)));
  const { code, stderr } = await tryRun('haproxy', ['-c', '-f', files.config]);
  assert.deepEqual([code, stderr.match(/\[(ALERT|WARNING)\][^\n]*/g)], [0, null], stderr);
});

test('a rule that only moves within its route changes nothing of what is configured', () => {
  const backendRefs = [{ name: 'web', port: 80 }];
  const asked = { matches: [{ headers: [{ name: 'version', value: '2' }] }], backendRefs };
  const other = { matches: [{ path: { type: 'PathPrefix', value: '/other' } }], backendRefs };
  const routesOf = (...rules: (typeof asked | typeof other)[]) => {
    const { ports } = planGateways(testWorld({ routes: [testRoute('web', rules)] }));
    return [...portRoutes(ports.values())].toSorted();
  };
  assert.deepEqual(routesOf(asked, other), routesOf(other, asked));
});
