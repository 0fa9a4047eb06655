import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CertificateAuthority } from '../../../cluster/pki.ts';
import { tryRun } from '../../../kernel/run.ts';
import { planIngress } from '../ingress.ts';
import type { BackendPlan, BackendPolicy, Route, RoutingPlan } from '../plan.ts';
import { readSettings } from '../settings.ts';
import { testIngress } from '../testing.ts';
import { formatConfig, frameOf, type ProxyOptions, serversOf } from './config.ts';
import { certificatePath, type ProxyFiles, proxyFiles } from './files.ts';
import { formatMap, routeMap } from './routes.ts';
import { giveSpares } from './spares.ts';

const backend = (name: string, policy: BackendPolicy = {}): BackendPlan => ({
  name,
  policy,
  servers: [
    { name: 'a', address: '10.0.0.1', port: 30080, protocol: 'http', node: 'a' },
    { name: 'a:web-1', address: '10.1.0.1', port: 8080, protocol: 'grpcs', host: 'a' },
  ],
});

const planOf = (routes: readonly Route[], backends: readonly BackendPlan[]): RoutingPlan => ({
  routes: new Map(routes.map((route) => [route.path, route])),
  ports: new Map(),
  backends: new Map(backends.map((each) => [each.name, each])),
  certificates: new Map(),
  pems: new Map(),
  nodes: [{ name: 'a', address: '10.0.0.1' }],
  hosts: [{ name: 'a', address: '10.0.0.1' }],
  trustedProxies: ['10.0.0.0/8', 'fd00::/8'],
});

const optionsOf = (files: ProxyFiles, more: Partial<ProxyOptions> = {}): ProxyOptions => ({
  files,
  addresses: ['192.0.2.1'],
  metricsFor: ['10.0.0.0/8'],
  connectTimeoutMs: 1500,
  ...more,
});

test('HAProxy accepts what becomes of a plan, whatever people wrote into their objects', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'knit-haproxy-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files = proxyFiles(folder, folder);
  const { cert, key } = await (await CertificateAuthority.open(folder)).identity('x', { commonName: 'x' });
  mkdirSync(files.certificates);
  writeFileSync(certificatePath(files, 'default'), `${cert}\n${key}`);
  writeFileSync(files.certificateList, `${certificatePath(files, 'default')}\n`);

  const path = `/it's "a" %[path] \\1 {$HOME} #;<<`.replaceAll(' ', '_');
  const annotations = {
    'knit.dev/replace-prefix': '/100%/$HOME',
    'knit.dev/redirect': 'https://new.test/%20?q=%[src]&x=$Y',
    'knit.dev/affinity': 'cookie',
    'knit.dev/https-redirect': 'true',
    'knit.dev/timeout-tunnel': '1h',
    'knit.dev/send-proxy-protocol': 'v2',
  };
  const { settings, problems } = readSettings(annotations);
  assert.deepEqual(problems, ['annotation knit.dev/redirect: "https://new.test/%20?q=%[src]&x=$Y": must be a URL']);
  const [want] = planIngress(testIngress('odd', { '': [{ path }] }), settings).backends.values();
  const canary = { backend: 'canary', source: 'b/b', weight: 20, header: 'X-Canary', value: 'yes' };
  const route: Route = { host: 'a.test', match: 'prefix', path, backend: 'odd', source: 'a/a', canary };
  const redirect = { url: '/100%/there', code: 301 };
  const plan = planOf([route], [backend('odd', want?.policy), backend('moved', { redirect }), backend('canary')]);

  const options = optionsOf(files, { addresses: ['192.0.2.1', 'fd00::1'], metricsFor: ['10.0.0.0/8', '192.0.2.9'] });
  writeFileSync(files.routes, formatMap(routeMap(plan.routes.values())));
  writeFileSync(files.config, formatConfig(frameOf(plan, options), serversOf(plan, files)));
  const { code, stderr } = await tryRun('haproxy', ['-c', '-f', files.config]);
  assert.deepEqual([code, stderr.match(/\[(ALERT|WARNING)\][^\n]*/g)], [0, null], stderr);
});

test('servers are no part of what needs a reload', () => {
  const options = optionsOf(proxyFiles('/f', '/l'));
  const one = planOf([], [backend('web')]);
  const other = { ...one, backends: new Map([['web', { ...backend('web'), servers: [] }]]), nodes: [], hosts: [] };
  assert.deepEqual(frameOf(one, options), frameOf(other, options));
  assert.notDeepEqual(serversOf(one, options.files), serversOf(other, options.files));
});

test('a node is given up after two checks without an answer, but for the only one', () => {
  const node = (name: string) => ({ name, address: `10.0.0.${name}` });
  const wordsOf = (...nodes: string[]) =>
    serversOf({ ...planOf([], []), nodes: nodes.map(node), hosts: nodes.map(node) }, proxyFiles('/f', '/l'))
      .get('hosts')
      ?.get('1');
  assert.equal(wordsOf('1', '2'), '10.0.0.1:10256 check inter 400ms fastinter 1s fall 2 rise 1');
  assert.equal(wordsOf('1'), '10.0.0.1:10256 check inter 400ms fastinter 1s fall 1000000 rise 1');
});

test('a new backend begins in a spare one and needs no reload; one with settings does, and so does the twenty-first', () => {
  const options = optionsOf(proxyFiles('/f', '/l'));
  const held = frameOf(planOf([], [backend('old')]), options);
  const grown = planOf([], [backend('old'), backend('new')]);
  const aliases = giveSpares(new Map(), held, grown.backends.values());
  assert.deepEqual([...(aliases ?? [])], [['new', 'spare-1']]);
  assert.deepEqual(frameOf(grown, options, aliases), held);
  assert.deepEqual([...serversOf(grown, options.files, aliases).keys()], ['nodes', 'hosts', 'old', 'spare-1']);
  const route: Route = { host: 'a.test', match: 'prefix', path: '/', backend: 'new', source: 'a/a' };
  assert.deepEqual([...routeMap([route], aliases).values()], ['spare-1;a/a;a.test;;;;;new']);
  assert.equal(giveSpares(new Map(), held, [backend('settled', { affinityCookie: 'x' })]), undefined);
  const many = Array.from({ length: 21 }, (_, index) => backend(`b${index}`));
  assert.equal(giveSpares(new Map(), held, many.slice(0, 20))?.size, 20);
  assert.equal(giveSpares(new Map(), held, many), undefined);
});

test('a prefix ends with a slash in the map, an exact path with what no request has', () => {
  const of = (host: string, match: Route['match'], path: string): Route => ({
    host,
    match,
    path,
    backend: 'b',
    source: 's',
  });
  const map = routeMap([of('a.test', 'prefix', '/'), of('*.test', 'prefix', '/x'), of('', 'exact', '/x/')]);
  assert.deepEqual([...map.keys()], ['a.test/', '*.test/x/', '/x//\x01']);
});
