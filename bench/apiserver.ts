import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../src/kernel/run.ts';
import { openSqliteStore } from '../src/store/index.ts';
import { type Requests, requestsTo } from './apiserver/requests.ts';
import type { Served } from './apiserver/server.ts';
import { openWatches } from './apiserver/watchers.ts';
import { atMost, type Benchmark, type Figure, median } from './figures.ts';

const rounds = 3;
const listed = 10_000;
const watching = 1000;
const writers = 50;
const stored = 100_000;
const pods = '/api/v1/namespaces/default/pods';

export const apiserver: Benchmark = {
  name: 'apiserver',
  about:
    'reads, lists, watches and creates over HTTPS with a durable store, against bare node:https in the same process',
  run: async () => [...(await withServer(measure)), ...(await measureStart())],
};

interface Measured {
  readonly served: Served;
  readonly process: ChildProcess;
  readonly api: Requests;
  readonly bare: Requests;
}

async function withServer<T>(use: (measured: Measured) => Promise<T>, folder?: string): Promise<T> {
  const own = folder ?? mkdtempSync(join(tmpdir(), 'knit-bench-'));
  const child = fork(join(import.meta.dirname, 'apiserver/server.ts'), [own]);
  try {
    const [served] = (await Promise.race([once(child, 'message'), ended(child)])) as [Served];
    const api = requestsTo(served, served.url, writers);
    const bare = requestsTo(served, served.bareUrl, writers);
    return await use({ served, process: child, api, bare });
  } finally {
    if (child.connected) child.disconnect();
    if (child.exitCode === null) await once(child, 'exit');
    rmSync(own, { recursive: true, force: true });
  }
}

async function ended(child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit');
  throw new Error(`the measured server ended with ${code}`);
}

async function measure(measured: Measured): Promise<Figure[]> {
  const { api } = measured;
  await api
    .send('POST', '/api/v1/namespaces/default/serviceaccounts', '{"metadata":{"name":"default"}}')
    .catch(() => undefined);
  const creates = await measureCreates(measured);
  return [
    ...creates,
    ...(await measureGet(measured)),
    ...(await measureList(measured)),
    ...(await measureWatch(measured)),
  ];
}

function pod(name: string): string {
  const containers = [{ name: 'web', image: 'registry.example.com/web:1.2.3', ports: [{ containerPort: 8080 }] }];
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'web' } },
    spec: { containers },
  });
}

/** First one client alone, then as many as the goal names; and then there are as many pods as are listed. */
async function measureCreates({ served, api }: Measured): Promise<Figure[]> {
  const alone: number[] = [];
  for (let i = 0; i < 500; i++) {
    const began = performance.now();
    await api.send('POST', pods, pod(`alone-${i}`));
    alone.push(performance.now() - began);
  }
  const rate = await createRate(served, api);
  let next = alone.length;
  await Promise.all(
    Array.from({ length: writers }, async () => {
      while (next < listed) await api.send('POST', pods, pod(`web-${next++}`));
    }),
  );
  return [
    {
      what: `creates of pods by ${writers} clients`,
      value: rate,
      unit: '/s',
      goal: 'at least 6000 /s',
      met: rate >= 6000,
    },
    atMost('create of a pod by one client, median', median(alone), 'ms', 1.5),
  ];
}

/** Creates a second, in a namespace of their own, by clients that cost next to nothing. */
async function createRate({ url, token }: Served, api: Requests): Promise<number> {
  const namespace = '/api/v1/namespaces/load';
  await api.send('POST', '/api/v1/namespaces', '{"metadata":{"name":"load"}}');
  await api.send('POST', `${namespace}/serviceaccounts`, '{"metadata":{"name":"default"}}');
  const folder = mkdtempSync(join(tmpdir(), 'knit-bench-'));
  try {
    const script = join(folder, 'creates.lua');
    const headers = `{["Content-Type"] = "application/json", ["Authorization"] = "Bearer ${token}"}`;
    writeFileSync(
      script,
      `local number = 0
       local headers = ${headers}
       request = function()
         number = number + 1
         return wrk.format("POST", "${namespace}/pods", headers, (string.gsub('${pod('NAME')}', "NAME", "web-" .. number)))
       end`,
    );
    return requestsOf(await run('wrk', ['-t', '1', '-c', String(writers), '-d', '5s', '-s', script, url]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Requests a second as wrk counts them, the peers in turn. */
async function measureGet({ served, api, bare }: Measured): Promise<Figure[]> {
  const path = `${pods}/alone-1`;
  await bare.send('PUT', path, await api.send('GET', path));
  const rates = { api: [] as number[], bare: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    rates.api.push(await requestRate(served, served.url + path));
    rates.bare.push(await requestRate(served, served.bareUrl + path));
  }
  const [value, peer] = [median(rates.api), median(rates.bare)];
  const ratio = value / peer;
  return [
    {
      what: 'GET of a pod',
      value,
      unit: '/s',
      against: 'node:https',
      ratio,
      goal: 'at least 0.6 of it',
      met: ratio >= 0.6,
    },
    { what: '  node:https with the same bytes', value: peer, unit: '/s' },
  ];
}

async function requestRate({ token }: Served, url: string): Promise<number> {
  return requestsOf(await run('wrk', ['-t', '1', '-c', '16', '-d', '3s', '-H', `Authorization: Bearer ${token}`, url]));
}

/** Requests a second, of what wrk says. */
function requestsOf(output: string): number {
  if (/Non-2xx/.test(output)) throw new Error(output);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1]);
}

async function measureList({ process: { pid }, api, bare }: Measured): Promise<Figure[]> {
  const bytes = await api.send('GET', pods);
  await bare.send('PUT', pods, bytes).catch(() => undefined);
  const growth = await memoryOf(pid!, async () => {
    for (let round = 0; round < 5; round++) await api.send('GET', pods);
  });
  const times = { api: [] as number[], bare: [] as number[] };
  for (let round = 0; round < 5; round++) {
    times.api.push(await timed(() => api.send('GET', pods)));
    times.bare.push(await timed(() => bare.send('GET', pods)));
  }
  const [value, peer] = [median(times.api), median(times.bare)];
  const ratio = value / peer;
  const answer = bytes.length / 2 ** 20;
  return [
    {
      what: `LIST of ${listed} pods`,
      value,
      unit: 'ms',
      against: 'the same bytes',
      ratio,
      goal: 'at most twice',
      met: ratio <= 2,
    },
    {
      what: '  memory that lists add',
      value: growth,
      unit: 'MiB',
      against: 'the answer',
      ratio: growth / answer,
      goal: 'at most the answer',
      met: growth <= answer,
    },
  ];
}

async function measureWatch({ served, process: { pid }, api, bare }: Measured): Promise<Figure[]> {
  const event = Buffer.from(
    `{"type":"MODIFIED","object":${JSON.stringify(JSON.parse((await api.send('GET', `${pods}/alone-2`)).toString()))},"marker":"marker"}\n`,
  );
  const watched = '/api/v1/namespaces/default/configmaps';
  await api.send(
    'POST',
    watched,
    JSON.stringify({ metadata: { name: 'watched' }, data: { filler: 'x'.repeat(event.length) } }),
  );
  const one = async (url: string, path: string, change: (round: number) => Promise<unknown>) => {
    const requests = requestsTo(served, url, Number.POSITIVE_INFINITY);
    const watches = await openWatches(requests, path, watching);
    const times: number[] = [];
    const before = cpuMs(pid!);
    for (let round = 0; round < 20; round++) times.push(await watches.until(() => change(round)));
    const cpu = (cpuMs(pid!) - before) / times.length;
    watches.close();
    requests.close();
    return { ms: median(times), cpuMs: cpu };
  };
  const own = await one(served.url, `${watched}?watch=1&fieldSelector=metadata.name%3Dwatched`, (round) =>
    api.send('PATCH', `${watched}/watched`, JSON.stringify({ data: { marker: String(round) } })),
  );
  const peer = await one(served.bareUrl, '/watch', () => bare.send('PUT', '/event', event));
  return [
    atMost(`one event to ${watching} watchers: the last has it after`, own.ms, 'ms', 50),
    {
      what: '  CPU for each watcher',
      value: (own.cpuMs * 1000) / watching,
      unit: 'µs',
      against: 'writing the bytes',
      ratio: own.cpuMs / peer.cpuMs,
    },
  ];
}

/** A store that a server before left, with a hundred thousand config maps. */
async function measureStart(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'knit-bench-'));
  const store = await openSqliteStore(join(folder, 'store.db'));
  const write = async (i: number) => {
    const metadata = {
      name: `config-${i}`,
      namespace: 'default',
      uid: `uid-${i}`,
      creationTimestamp: '2026-01-01T00:00:00Z',
    };
    const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata, data: { text: 'x'.repeat(1000) } };
    await store.put(`/registry/core/configmaps/default/config-${i}`, JSON.stringify(object), 0);
  };
  for (let i = 0; i < stored; i += 1000) await Promise.all(Array.from({ length: 1000 }, (_, j) => write(i + j)));
  await store.close();
  return withServer(async ({ served, process: { pid }, api }) => {
    const { metadata } = JSON.parse(
      (await api.send('GET', '/api/v1/namespaces/default/configmaps?limit=1')).toString(),
    );
    if (metadata.remainingItemCount < stored - 1)
      throw new Error(`only ${metadata.remainingItemCount} objects were found`);
    return [
      atMost(`start with ${stored} objects: serving after`, served.startMs, 'ms', 2000),
      atMost('  its memory', memoryMiB(pid!, 'VmRSS'), 'MiB', 600),
    ];
  }, folder);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** proc_pid_status(5) */
function memoryMiB(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** What the work adds at its peak. The peer must rest meanwhile: it is in the same process, and encrypts all at once. */
async function memoryOf(pid: number, work: () => Promise<void>): Promise<number> {
  const before = memoryMiB(pid, 'VmRSS');
  // proc_pid_clear_refs(5): the peak is counted anew.
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  await work();
  return memoryMiB(pid, 'VmHWM') - before;
}

/** Of all threads, in ticks of 10 ms (proc_pid_stat(5)). */
function cpuMs(pid: number): number {
  const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ').slice(11, 13).map(Number);
  return (user! + system!) * 10;
}
