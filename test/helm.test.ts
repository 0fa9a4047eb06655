import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run, tryRun } from '../src/kernel/run.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';

/** Helm 4 applies server-side unless it is told otherwise. */
const helmCommand = join(import.meta.dirname, '../dist/tools/helm');
const TIMEOUT_MS = 90_000;

let cluster: TestCluster;
let folder: string;
let chart: string;

before(async () => {
  cluster = await startCluster('t-helm', ['--uplink', 'none']);
  folder = mkdtempSync(join(tmpdir(), 'knit-helm-'));
  chart = writeChart(join(folder, 'web'));
});
after(async () => {
  await cluster?.down();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const environment = () => ({ ...process.env, KUBECONFIG: cluster.kubeconfig, HOME: folder });
const helm = (command: string) => run(helmCommand, command.split(' '), { timeoutMs: TIMEOUT_MS, env: environment() });

interface Seen {
  readonly metadata: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly managedFields?: readonly { readonly manager: string; readonly operation: string }[];
  };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly replicas: number;
    readonly template: {
      readonly spec: {
        readonly containers: readonly {
          readonly env?: readonly { readonly name: string; readonly value?: string }[];
        }[];
      };
    };
  };
  readonly status: { readonly availableReplicas: number };
}

const deployment = () => cluster.get<Seen>('deployment', 'web');
const environmentOf = ({ spec }: Seen) =>
  (spec.template.spec.containers[0]?.env ?? []).map(({ name, value }) => `${name}=${value ?? ''}`);
const managersOf = ({ metadata }: Seen) =>
  (metadata.managedFields ?? []).map(({ manager, operation }) => `${manager} ${operation}`);

/** A chart of the size that people write: what a web application needs, and a hook. */
function writeChart(at: string): string {
  mkdirSync(join(at, 'templates'), { recursive: true });
  for (const [file, text] of Object.entries(chartFiles)) writeFileSync(join(at, file), text);
  return at;
}

const labels = `
  labels:
    app.kubernetes.io/name: web
    app.kubernetes.io/instance: {{ .Release.Name }}
    app.kubernetes.io/managed-by: {{ .Release.Service }}`;

const chartFiles = {
  'Chart.yaml': 'apiVersion: v2\nname: web\nversion: 0.1.0\nappVersion: "1"\n',
  'values.yaml': 'replicas: 1\ngreeting: hello\nextra: ""\nprobe: false\npassword: secret\n',
  'templates/config.yaml': `apiVersion: v1
kind: ConfigMap
metadata:
  name: web${labels}
data:
  greeting: {{ .Values.greeting | quote }}
  {{- with .Values.extra }}
  extra: {{ . | quote }}
  {{- end }}
---
apiVersion: v1
kind: Secret
metadata:
  name: web${labels}
stringData:
  password: {{ .Values.password }}
`,
  'templates/account.yaml': `apiVersion: v1
kind: ServiceAccount
metadata:
  name: web${labels}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: web${labels}
rules:
  - apiGroups: [""]
    resources: [configmaps]
    verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: web${labels}
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: web }
subjects:
  - { kind: ServiceAccount, name: web, namespace: {{ .Release.Namespace }} }
`,
  'templates/deployment.yaml': `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web${labels}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: { app: web }
  template:
    metadata:
      labels: { app: web }
    spec:
      serviceAccountName: web
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: knit.dev/lab:1
          ports:
            - { name: http, containerPort: 8080 }
          {{- if .Values.probe }}
          readinessProbe:
            tcpSocket: { port: http }
          {{- end }}
          env:
            - name: GREETING
              value: {{ .Values.greeting | quote }}
            {{- with .Values.extra }}
            - name: EXTRA
              value: {{ . | quote }}
            {{- end }}
          resources:
            requests: { cpu: 10m, memory: 16Mi }
          volumeMounts:
            - { name: config, mountPath: /config }
      volumes:
        - name: config
          configMap: { name: web }
`,
  'templates/service.yaml': `apiVersion: v1
kind: Service
metadata:
  name: web${labels}
spec:
  selector: { app: web }
  ports:
    - { name: http, port: 80, targetPort: http }
`,
  'templates/hook.yaml': `apiVersion: batch/v1
kind: Job
metadata:
  name: web-prepare
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers:
        - { name: prepare, image: knit.dev/lab:1, command: ["/bin/sh", "-c", "exit 0"] }
`,
};

test('helm installs a chart with a hook, and waits until it is ready', async () => {
  await helm(`install web ${chart} --wait --timeout 60s`);
  const web = await cluster.get<Seen>('deployment', 'web', '--show-managed-fields');
  assert.equal(web.status.availableReplicas, 1);
  assert.ok(managersOf(web).includes('helm Apply'), managersOf(web).join(', '));
  assert.equal(await cluster.kubectl(['get', 'job', '-o', 'name']), '');
});

test('helm upgrades a release', async () => {
  await helm(`upgrade web ${chart} --wait --timeout 60s --set replicas=2 --set extra=more --set probe=false`);
  const web = await deployment();
  assert.deepEqual([web.spec.replicas, environmentOf(web)], [2, ['GREETING=hello', 'EXTRA=more']]);
  assert.deepEqual((await cluster.get<Seen>('configmap', 'web')).data, { greeting: 'hello', extra: 'more' });
});

test('an upgrade leaves alone what others added, and removes what the chart gave up', async () => {
  await cluster.kubectl(['label', 'configmap', 'web', 'theirs=kept']);
  await helm(`upgrade web ${chart} --set replicas=2`);
  const { metadata, data } = await cluster.get<Seen>('configmap', 'web');
  assert.deepEqual(data, { greeting: 'hello' });
  assert.equal(metadata.labels?.theirs, 'kept');
  assert.deepEqual(environmentOf(await deployment()), ['GREETING=hello']);
});

test('an upgrade does not overwrite what somebody else changed, unless it is told to', async () => {
  await cluster.kubectl(['patch', 'configmap', 'web', '--type=merge', '-p', '{"data":{"greeting":"by hand"}}']);
  const refused = await tryRun(helmCommand, ['upgrade', 'web', chart, '--set', 'greeting=mine'], {
    timeoutMs: TIMEOUT_MS,
    env: environment(),
  });
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /conflict with "kubectl-patch" using v1: \.data\.greeting/);
  await helm(`upgrade web ${chart} --set greeting=mine --force-conflicts`);
  assert.deepEqual((await cluster.get<Seen>('configmap', 'web')).data, { greeting: 'mine' });
});

test('helm rolls back to the first revision, and keeps the history', async () => {
  await helm('rollback web 1 --wait --timeout 60s');
  const web = await deployment();
  assert.deepEqual([web.spec.replicas, environmentOf(web)], [1, ['GREETING=hello']]);
  const history: { readonly description: string }[] = JSON.parse(await helm('history web -o json'));
  assert.equal(history.at(-1)?.description, 'Rollback to 1');
});

test('helm uninstalls a release', async () => {
  await helm('uninstall web --wait --timeout 60s');
  const kinds = 'deployment,service,role,rolebinding,secret,job';
  await eventually(
    'nothing is left',
    async () => (await cluster.kubectl(['get', kinds, '-l', 'app.kubernetes.io/name=web', '-o', 'name'])) === '',
  );
  assert.equal(await helm('list -q'), '');
});

test('kubectl applies server-side what helm renders', async () => {
  const manifest = await helm(`template plain ${chart} --no-hooks --set probe=true`);
  const apply = () => cluster.kubectl(['apply', '--server-side', '-f', '-'], { input: manifest });
  const lines = (await apply()).trim().split('\n');
  assert.equal(lines.length, 7);
  for (const line of lines) assert.match(line, / serverside-applied$/);
  const before = await deployment();
  await apply();
  assert.deepEqual((await deployment()).spec, before.spec);
  const conflict = await cluster.tryKubectl(['apply', '--server-side', '--field-manager=other', '-f', '-'], {
    input: manifest.replace('greeting: "hello"', 'greeting: "theirs"'),
  });
  assert.match(conflict.stderr, /Apply failed with 1 conflict: conflict with "kubectl": \.data\.greeting/);
});

test('kubectl goes over from client-side to server-side apply without a conflict', async () => {
  const object = (data: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'moved' },
    data,
  });
  await cluster.apply(object({ a: '1', b: '1' }));
  await cluster.kubectl(['apply', '--server-side', '-f', '-'], { input: JSON.stringify(object({ a: '2' })) });
  const moved = await cluster.get<Seen>('configmap', 'moved', '--show-managed-fields');
  assert.deepEqual(moved.data, { a: '2' });
  // kubectl keeps its annotation under a name of its own, so that one may go back. Who wrote a second earlier comes first.
  assert.deepEqual(managersOf(moved).toSorted(), ['kubectl Apply', 'kubectl-last-applied Apply']);
});
