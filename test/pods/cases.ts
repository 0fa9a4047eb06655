import type { Container, Pod, PodSpec } from '../../src/api/types.ts';

/** A pod that is run once, and what must come of it. What each does is taken from Kubernetes' node conformance tests. */
export interface PodCase {
  readonly name: string;
  readonly spec: Partial<PodSpec>;
  readonly metadata?: Pod['metadata'];
  /** Default `Succeeded`. */
  readonly phase?: string;
  /** The output of the container `main`. */
  readonly log?: string | RegExp;
  /** Looks at the pod as it is in the end; returns what is compared with `is`. */
  readonly look?: (pod: Pod) => unknown;
  readonly is?: unknown;
}

export const image = 'knit.dev/lab:1';

/** One container that runs a line of shell. */
export const shell = (line: string, container: Partial<Container> = {}): Container => ({
  name: 'main',
  image,
  command: ['sh', '-c', line],
  ...container,
});

const once = (line: string, container: Partial<Container> = {}): Partial<PodSpec> => ({
  containers: [shell(line, container)],
});

export const main = (pod: Pod) => pod.status?.containerStatuses?.find(({ name }) => name === 'main');

export const fixtures: readonly object[] = [
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'data' },
    data: { 'data-1': 'value-1', 'data-2': 'value-2' },
    binaryData: { 'dump.bin': Buffer.from([0xde, 0xca, 0xfe, 0x00, 0xff]).toString('base64') },
  },
  {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'data' },
    stringData: { 'data-1': 'value-1', 'data-2': 'value-2' },
  },
];

type Volume = NonNullable<PodSpec['volumes']>[number];
type Items = { readonly key: string; readonly path: string; readonly mode?: number }[];
type Holder = (name: string, items?: Items, defaultMode?: number) => Volume;

const holders: Readonly<Record<string, Holder>> = {
  'a config map': (name, items, defaultMode) => ({ name, configMap: { name: 'data', items, defaultMode } }),
  'a secret': (name, items, defaultMode) => ({ name, secret: { secretName: 'data', items, defaultMode } }),
  'a projected config map': (name, items, defaultMode) => ({
    name,
    projected: { defaultMode, sources: [{ configMap: { name: 'data', items } }] },
  }),
  'a projected secret': (name, items, defaultMode) => ({
    name,
    projected: { defaultMode, sources: [{ secret: { name: 'data', items } }] },
  }),
};

const volume: Volume = { name: 'v', emptyDir: {} };
const show = (file: string) => `cat ${file}; echo; stat -Lc %a ${file}`;
const mounted = (line: string, ...volumes: Volume[]): Partial<PodSpec> => ({
  volumes,
  ...once(line, { volumeMounts: volumes.map(({ name }) => ({ name, mountPath: `/${name}` })) }),
});

const holderCases = Object.entries(holders).flatMap(([what, holder]): PodCase[] => [
  { name: `${what} has mode 0644`, spec: mounted(show('/v/data-1'), holder('v')), log: 'value-1\n644\n' },
  {
    name: `${what} with defaultMode`,
    spec: mounted(show('/v/data-1'), holder('v', undefined, 0o400)),
    log: 'value-1\n400\n',
  },
  {
    name: `${what} with a path of its own, and nothing else`,
    spec: mounted(`${show('/v/path/to/two')}; ls /v`, holder('v', [{ key: 'data-2', path: 'path/to/two' }])),
    log: 'value-2\n644\npath\n',
  },
  {
    name: `${what} with an item’s mode`,
    spec: mounted(show('/v/two'), holder('v', [{ key: 'data-2', path: 'two', mode: 0o400 }])),
    log: 'value-2\n400\n',
  },
  {
    name: `${what} is read by others than root`,
    spec: { ...mounted(show('/v/data-1'), holder('v')), securityContext: { runAsUser: 1000 } },
    log: 'value-1\n644\n',
  },
  {
    name: `${what} is given to the pod’s group`,
    spec: {
      ...mounted(`${show('/v/data-1')}; stat -Lc %g /v/data-1`, holder('v', undefined, 0o440)),
      securityContext: { runAsUser: 1000, fsGroup: 1001 },
    },
    log: 'value-1\n440\n1001\n',
  },
  {
    name: `${what} in two volumes of one pod`,
    spec: mounted('cat /v/data-1 /w/data-1', holder('v'), holder('w')),
    log: 'value-1value-1',
  },
]);

const subPathCases = Object.entries(holders).flatMap(([what, holder]): PodCase[] => [
  {
    name: `a subPath of ${what}`,
    spec: {
      volumes: [holder('v', [{ key: 'data-1', path: 'deep/one' }])],
      ...once('cat /w/one', { volumeMounts: [{ name: 'v', mountPath: '/w', subPath: 'deep' }] }),
    },
    log: 'value-1',
  },
  {
    name: `a subPath of ${what} over a file of the image`,
    spec: {
      volumes: [holder('v')],
      ...once('cat /etc/group', { volumeMounts: [{ name: 'v', mountPath: '/etc/group', subPath: 'data-2' }] }),
    },
    log: 'value-2',
  },
]);

const emptyDirCases = ['', 'Memory'].flatMap((medium) =>
  [undefined, 1001].flatMap((runAsUser): PodCase[] => [
    ...['644', '666', '777'].map((mode) => ({
      name: `an emptyDir${medium && ' in memory'}, a file of mode ${mode}, as ${runAsUser ?? 'root'}`,
      spec: {
        ...mounted(`echo x >/v/f; chmod ${mode} /v/f; cat /v/f; stat -c '%a %u' /v/f`, {
          name: 'v',
          emptyDir: { medium },
        }),
        ...(runAsUser ? { securityContext: { runAsUser } } : {}),
      },
      log: `x\n${mode} ${runAsUser ?? 0}\n`,
    })),
    {
      name: `an emptyDir${medium && ' in memory'} itself, as ${runAsUser ?? 'root'}`,
      spec: {
        ...mounted(`stat -c %a /v; grep -c '^tmpfs /v ' /proc/mounts || true`, { name: 'v', emptyDir: { medium } }),
        ...(runAsUser ? { securityContext: { runAsUser } } : {}),
      },
      log: medium ? '1777\n1\n' : '777\n0\n',
    },
  ]),
);

const resources = { requests: { cpu: '250m', memory: '32Mi' }, limits: { cpu: '1250m', memory: '64Mi' } };
const asked = ['limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory'];
const downwardItems = [
  { path: 'podname', fieldRef: { fieldPath: 'metadata.name' } },
  { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
  ...asked.map((resource) => ({ path: resource, resourceFieldRef: { containerName: 'main', resource } })),
];
const downward: Readonly<Record<string, (defaultMode?: number, mode?: number) => Volume>> = {
  'the downward API': (defaultMode, mode) => ({
    name: 'v',
    downwardAPI: { defaultMode, items: downwardItems.map((item) => ({ ...item, mode })) },
  }),
  'the projected downward API': (defaultMode, mode) => ({
    name: 'v',
    projected: { defaultMode, sources: [{ downwardAPI: { items: downwardItems.map((item) => ({ ...item, mode })) } }] },
  }),
};

const downwardCases = Object.entries(downward).flatMap(([what, volume]): PodCase[] => [
  {
    name: `${what} tells name, labels and resources`,
    metadata: { labels: { b: '2', a: '1' } },
    spec: {
      volumes: [volume()],
      ...once(
        `cat /v/podname | tr -d 0-9; echo; cat /v/labels; echo; for f in ${asked.join(' ')}; do cat /v/$f; echo; done`,
        {
          resources,
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        },
      ),
    },
    log: 'case-\na="1"\nb="2"\n2\n67108864\n1\n33554432\n',
  },
  { name: `${what} with defaultMode`, spec: mounted('stat -Lc %a /v/podname', volume(0o400)), log: '400\n' },
  { name: `${what} with an item’s mode`, spec: mounted('stat -Lc %a /v/podname', volume(0o644, 0o400)), log: '400\n' },
]);

const env = (name: string, valueFrom: object) => ({ name, valueFrom }) as NonNullable<Container['env']>[number];
const field = (name: string, fieldPath: string) => env(name, { fieldRef: { fieldPath } });
const resource = (name: string, path: string) => env(name, { resourceFieldRef: { resource: path } });

const envCases: readonly PodCase[] = [
  {
    name: 'variables of the downward API',
    spec: {
      ...once(
        `test "$HOST" = "$HOSTS" && test "$(hostname -i)" = "$IP" && test \${#UID_} = 36 && echo "$NS $SA" \${NAME%-*}`,
        {
          env: [
            field('NAME', 'metadata.name'),
            field('NS', 'metadata.namespace'),
            field('IP', 'status.podIP'),
            field('HOST', 'status.hostIP'),
            field('HOSTS', 'status.hostIPs'),
            field('UID_', 'metadata.uid'),
            field('SA', 'spec.serviceAccountName'),
          ],
        },
      ),
    },
    log: 'default default case\n',
  },
  {
    name: 'variables of a container’s resources',
    spec: {
      ...once('echo $A $B $C $D', {
        resources,
        env: asked.map((path, index) => resource('ABCD'[index] ?? '', path)),
      }),
    },
    log: '2 67108864 1 33554432\n',
  },
  {
    name: 'variables of limits that are the node’s',
    spec: {
      ...once('test "$A" = "$(nproc)" && test "$B" -gt 100000000 && echo as the node', {
        env: [resource('A', 'limits.cpu'), resource('B', 'limits.memory')],
      }),
    },
    log: 'as the node\n',
  },
  {
    name: 'variables made of others, in variables, commands and arguments',
    spec: {
      containers: [
        {
          name: 'main',
          image,
          command: ['sh', '-c', 'echo "$FOOBAR" "$0" "$1"', '$(FOO)-$(NOT)-$$(FOO)'],
          args: ['$(BAR);;'],
          env: [
            { name: 'FOO', value: 'foo' },
            { name: 'BAR', value: 'bar' },
            { name: 'FOOBAR', value: '$(FOO);;$(BAR)' },
          ],
        },
      ],
    },
    log: 'foo;;bar foo-$(NOT)-$(FOO) bar;;\n',
  },
  {
    name: 'variables of secrets and config maps, alone and all at once',
    spec: once(String.raw`echo $ONE $TWO; tr '\0' '\n' </proc/1/environ | grep ^p_ | sort`, {
      env: [
        env('ONE', { secretKeyRef: { name: 'data', key: 'data-1' } }),
        env('TWO', { configMapKeyRef: { name: 'data', key: 'data-2' } }),
        env('NONE', { secretKeyRef: { name: 'none', key: 'none', optional: true } }),
      ],
      envFrom: [
        { prefix: 'p_', secretRef: { name: 'data' } },
        { prefix: 'p_c_', configMapRef: { name: 'data' } },
        { configMapRef: { name: 'none', optional: true } },
      ],
    }),
    log: 'value-1 value-2\np_c_data-1=value-1\np_c_data-2=value-2\np_data-1=value-1\np_data-2=value-2\n',
  },
  {
    name: 'binary data, optional volumes, and files of others',
    spec: mounted(
      'xxd -p /v/dump.bin; ls /w | wc -l; ls /x | wc -l',
      { name: 'v', configMap: { name: 'data' } },
      { name: 'w', secret: { secretName: 'none', optional: true } },
      { name: 'x', projected: { sources: [{ configMap: { name: 'none', optional: true } }] } },
    ),
    log: 'decafe00ff\n0\n0\n',
  },
  {
    name: 'a subPathExpr',
    spec: {
      volumes: [{ name: 'v', emptyDir: {} }],
      ...once('echo x >/own/f; ls -d /all/case-*/f | wc -l', {
        env: [field('NAME', 'metadata.name')],
        volumeMounts: [
          { name: 'v', mountPath: '/own', subPathExpr: '$(NAME)' },
          { name: 'v', mountPath: '/all' },
        ],
      }),
    },
    log: '1\n',
  },
  ...['/tmp', '`date`', '../x', '$(NONE)'].map(
    (value): PodCase => ({
      name: `a subPathExpr that becomes ${value}`,
      spec: {
        volumes: [{ name: 'v', emptyDir: {} }],
        ...once('ls', {
          env: value === '$(NONE)' ? [] : [{ name: 'NAME', value }],
          volumeMounts: [{ name: 'v', mountPath: '/v', subPathExpr: '$(NAME)' }],
        }),
      },
      ...(value === '`date`'
        ? {}
        : {
            phase: 'Pending',
            look: (pod: Pod) => main(pod)?.state?.waiting?.reason,
            is: 'CreateContainerConfigError',
          }),
    }),
  ),
];

const status = (name: string) => `sed -n 's/^${name}:\\t//p' /proc/self/status`;

const securityCases: readonly PodCase[] = [
  {
    name: 'runAsUser',
    spec: { ...once('id -u', { securityContext: { runAsUser: 65534 } }) },
    log: '65534\n',
  },
  {
    name: 'runAsUser and runAsGroup of a container',
    spec: once('id', { securityContext: { runAsUser: 1001, runAsGroup: 2002 } }),
    log: /^uid=1001 gid=2002(?: groups=2002)?\n$/,
  },
  {
    name: 'runAsUser, runAsGroup and supplementalGroups of a pod',
    spec: {
      ...once('id -u; id -g; id -G'),
      securityContext: { runAsUser: 1001, runAsGroup: 2002, supplementalGroups: [1234], fsGroup: 99 },
    },
    log: /^1001\n2002\n2002(?= .*1234)(?= .*99).*\n$/,
  },
  {
    name: 'a container without privileges',
    spec: once('ip link add dummy0 type dummy 2>&1 || true', { securityContext: { privileged: false } }),
    log: /Operation not permitted/,
  },
  {
    name: 'a privileged container',
    spec: once('mount -t tmpfs none /tmp && grep -c "^none /tmp tmpfs" /proc/mounts', {
      securityContext: { privileged: true },
    }),
    log: '1\n',
  },
  {
    name: 'a root file system that may be written',
    spec: once('echo x >/file && cat /file', { securityContext: { readOnlyRootFilesystem: false } }),
    log: 'x\n',
  },
  {
    name: 'a root file system that may not be written',
    spec: once('echo x >/file', { securityContext: { readOnlyRootFilesystem: true } }),
    phase: 'Failed',
    log: /Read-only file system/,
  },
  {
    name: 'no new privileges',
    spec: once(`${status('NoNewPrivs')}; id -u`, {
      securityContext: { runAsUser: 1000, allowPrivilegeEscalation: false },
    }),
    log: '1\n1000\n',
  },
  {
    name: 'privileges may grow unless that is refused',
    spec: once(status('NoNewPrivs'), { securityContext: { runAsUser: 1000 } }),
    log: '0\n',
  },
  {
    name: 'capabilities that are added and dropped',
    spec: once(status('CapEff'), { securityContext: { capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } } }),
    log: '0000000000000400\n',
  },
  {
    name: 'the runtime’s seccomp profile',
    spec: once(status('Seccomp'), { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } }),
    log: '2\n',
  },
  { name: 'no seccomp profile', spec: once(status('Seccomp')), log: '0\n' },
  {
    name: 'runAsNonRoot with an image of root',
    spec: once('id', { securityContext: { runAsNonRoot: true } }),
    phase: 'Pending',
    look: (pod) => main(pod)?.state?.waiting?.reason,
    is: 'CreateContainerConfigError',
  },
  {
    name: 'runAsNonRoot with a user',
    spec: once('id -u', { securityContext: { runAsNonRoot: true, runAsUser: 1234 } }),
    log: '1234\n',
  },
  {
    name: 'a safe sysctl',
    spec: {
      ...once('sysctl -n kernel.shm_rmid_forced'),
      securityContext: { sysctls: [{ name: 'kernel.shm_rmid_forced', value: '1' }] },
    },
    log: '1\n',
  },
  {
    name: 'a safe sysctl, written with slashes',
    spec: {
      ...once('sysctl -n kernel.shm_rmid_forced'),
      securityContext: { sysctls: [{ name: 'kernel/shm_rmid_forced', value: '1' }] },
    },
    log: '1\n',
  },
  {
    name: 'a sysctl that the node does not allow',
    spec: { ...once('true'), securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '10000000000' }] } },
    phase: 'Failed',
    look: ({ status: { reason, message } = {} }) => ({ reason, message }),
    is: {
      reason: 'SysctlForbidden',
      message: 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted',
    },
  },
  {
    name: 'namespaces that a pod’s containers share',
    spec: {
      shareProcessNamespace: true,
      containers: [
        shell('until pidof httpd >/dev/null; do :; done; pidof httpd | wc -w; kill $(pidof httpd)'),
        { name: 'other', image, command: ['httpd', '-f', '-p', '80'] },
      ],
    },
    phase: 'Failed',
    log: '1\n',
  },
];

const lastWords = (line: string, policy: string, container: Partial<Container> = {}): Partial<PodSpec> =>
  once(line, { terminationMessagePolicy: policy, ...container });
const message = (pod: Pod) => main(pod)?.state?.terminated?.message ?? '';

const endCases: readonly PodCase[] = [
  {
    name: 'a termination message at a path of its own, of a user',
    spec: lastWords('printf DONE >/dev/own-log', 'File', {
      terminationMessagePath: '/dev/own-log',
      securityContext: { runAsUser: 1000 },
    }),
    look: message,
    is: 'DONE',
  },
  {
    name: 'a termination message from the log of a failure',
    spec: lastWords('printf DONE; exit 1', 'FallbackToLogsOnError'),
    phase: 'Failed',
    look: message,
    is: 'DONE',
  },
  {
    name: 'no termination message from the log of a success',
    spec: lastWords('printf DONE', 'FallbackToLogsOnError'),
    look: message,
    is: '',
  },
  {
    name: 'a termination message from the file, whatever the log holds',
    spec: lastWords('echo LOG; printf OK >/dev/termination-log', 'FallbackToLogsOnError'),
    look: message,
    is: 'OK',
  },
  {
    name: 'a container that fails',
    spec: once('exit 7'),
    phase: 'Failed',
    look: (pod) => [main(pod)?.state?.terminated?.exitCode, main(pod)?.state?.terminated?.reason, main(pod)?.ready],
    is: [7, 'Error', false],
  },
  {
    name: 'a container that ends well',
    spec: once('exit 0'),
    look: (pod) => [
      main(pod)?.state?.terminated?.reason,
      pod.status?.conditions?.find(({ type }) => type === 'Ready')?.reason,
    ],
    is: ['Completed', 'PodCompleted'],
  },
  {
    name: 'a container that fails once, with restartPolicy OnFailure',
    spec: {
      restartPolicy: 'OnFailure',
      ...mounted('if [ -e /v/second ]; then exit 0; fi; touch /v/second; exit 1', volume),
    },
    look: (pod) => [main(pod)?.restartCount, main(pod)?.state?.terminated?.exitCode],
    is: [1, 0],
  },
  {
    name: 'a container that fails once, with a rule for its exit code',
    spec: {
      volumes: [volume],
      ...once('if [ -e /v/second ]; then exit 0; fi; touch /v/second; exit 42', {
        volumeMounts: [{ name: 'v', mountPath: '/v' }],
        restartPolicy: 'Never',
        restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }],
      }),
    },
    look: (pod) => [main(pod)?.restartCount, main(pod)?.state?.terminated?.exitCode],
    is: [1, 0],
  },
  {
    name: 'a container that fails once, and all that start anew for it',
    spec: {
      volumes: [volume],
      initContainers: [{ ...shell('true'), name: 'first' }],
      containers: [
        shell('if [ -e /v/second ]; then touch /v/end; exit 0; fi; touch /v/second; exit 42', {
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
          restartPolicy: 'Never',
          restartPolicyRules: [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }],
        }),
        shell('until [ -e /v/end ]; do sleep 0.2; done', {
          name: 'beside',
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        }),
      ],
    },
    look: ({ status }) =>
      [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].map(
        ({ restartCount, lastState }) => [restartCount, lastState?.terminated?.reason],
      ),
    is: Array(3).fill([1, 'RestartingAllContainers']),
  },
  {
    name: 'the files of an image, which cannot be written',
    spec: {
      volumes: [{ name: 'v', image: { reference: image, pullPolicy: 'Never' } }],
      ...once('ls /v/bin | grep -cx busybox; touch /v/x 2>/dev/null || echo read-only', {
        volumeMounts: [{ name: 'v', mountPath: '/v' }],
      }),
    },
    log: '1\nread-only\n',
  },
  {
    name: 'variables from a file that an init container writes',
    spec: {
      volumes: [volume],
      initContainers: [
        { ...shell(`echo "A='1'" > /v/env`), name: 'first', volumeMounts: [{ name: 'v', mountPath: '/v' }] },
      ],
      ...once('echo $A; env | grep ^B= || echo none', {
        env: [
          { name: 'A', valueFrom: { fileKeyRef: { volumeName: 'v', path: 'env', key: 'A' } } },
          { name: 'B', valueFrom: { fileKeyRef: { volumeName: 'v', path: 'env', key: 'B', optional: true } } },
        ],
      }),
    },
    log: '1\nnone\n',
  },
  {
    name: 'a container over its memory',
    spec: once('exec dd if=/dev/zero of=/dev/null bs=64M count=1', { resources: { limits: { memory: '16Mi' } } }),
    phase: 'Failed',
    look: (pod) => [main(pod)?.state?.terminated?.exitCode, main(pod)?.state?.terminated?.reason],
    is: [137, 'OOMKilled'],
  },
  {
    name: 'a pod over its active deadline',
    spec: { activeDeadlineSeconds: 2, terminationGracePeriodSeconds: 0, ...once('exec sleep 1000') },
    phase: 'Failed',
    look: ({ status: { reason, message: text } = {} }) => [reason, text],
    is: ['DeadlineExceeded', 'Pod was active on the node longer than the specified deadline'],
  },
];

const init = (name: string, line: string): Container => ({ ...shell(line), name });

const initCases: readonly PodCase[] = [
  {
    name: 'init containers, one after the other',
    spec: {
      initContainers: [init('one', 'true'), init('two', 'true')],
      ...once('echo began'),
    },
    log: 'began\n',
    look: (pod) => pod.status?.initContainerStatuses?.map(({ ready, state }) => [ready, state?.terminated?.exitCode]),
    is: [
      [true, 0],
      [true, 0],
    ],
  },
  {
    name: 'an init container that fails, with restartPolicy Never',
    spec: { initContainers: [init('one', 'false'), init('two', 'true')], ...once('true') },
    phase: 'Failed',
    look: (pod) => [
      pod.status?.initContainerStatuses?.[1]?.state?.waiting?.reason,
      main(pod)?.state?.waiting?.reason,
      pod.status?.conditions?.find(({ type }) => type === 'Initialized')?.reason,
    ],
    is: ['PodInitializing', 'PodInitializing', 'ContainersNotInitialized'],
  },
  {
    name: 'an init container that fails, with restartPolicy Always',
    spec: { restartPolicy: 'Always', initContainers: [init('one', 'false'), init('two', 'true')], ...once('true') },
    phase: 'Pending',
    look: (pod) => [
      (pod.status?.initContainerStatuses?.[0]?.restartCount ?? 0) > 1,
      pod.status?.initContainerStatuses?.[1]?.state?.waiting?.reason,
      main(pod)?.state?.waiting?.reason,
      pod.status?.conditions?.find(({ type }) => type === 'Initialized')?.message,
    ],
    is: [true, 'PodInitializing', 'PodInitializing', 'containers with incomplete status: [one two]'],
  },
  {
    name: 'a sidecar, begun before and ended after',
    spec: {
      initContainers: [
        {
          ...shell('echo up >/v/up; trap "exit 0" TERM; while :; do sleep 0.1; done'),
          name: 'side',
          restartPolicy: 'Always',
        },
      ].map((each) => ({ ...each, volumeMounts: [{ name: 'v', mountPath: '/v' }] })),
      ...mounted('until cat /v/up 2>/dev/null; do :; done', { name: 'v', emptyDir: {} }),
    },
    log: 'up\n',
  },
];

const nameCases: readonly PodCase[] = [
  {
    name: 'host aliases',
    spec: { hostAliases: [{ ip: '123.45.67.89', hostnames: ['foo', 'bar'] }], ...once('cat /etc/hosts') },
    log: /^# Kubernetes-managed hosts file\.[\s\S]*\n\n# Entries added by HostAliases\.\n123\.45\.67\.89\tfoo\tbar\n$/,
  },
  {
    name: 'a hosts file of the kubelet',
    spec: once('head -1 /etc/hosts'),
    log: '# Kubernetes-managed hosts file.\n',
  },
  {
    name: 'a hosts file of the pod’s own',
    spec: {
      volumes: [{ name: 'v', hostPath: { path: '/etc/hosts', type: 'File' } }],
      ...once('grep -c Kubernetes-managed /etc/hosts || true', {
        volumeMounts: [{ name: 'v', mountPath: '/etc/hosts' }],
      }),
    },
    log: '0\n',
  },
  {
    name: 'the hosts file of a pod in the node’s network',
    spec: {
      hostNetwork: true,
      hostAliases: [{ ip: '1.2.3.4', hostnames: ['foo'] }],
      ...once('head -1 /etc/hosts; tail -1 /etc/hosts; grep -c localhost /etc/hosts'),
    },
    log: /^# Kubernetes-managed hosts file \(host network\)\.\n1\.2\.3\.4\tfoo\n[1-9]\d*\n$/,
  },
  {
    name: 'a host name and a subdomain',
    spec: { hostname: 'one', subdomain: 'sub', ...once('hostname; hostname -f') },
    log: 'one\none.sub.default.svc.cluster.local\n',
  },
  {
    name: 'a host name that is the whole name',
    spec: { hostname: 'one', subdomain: 'sub', setHostnameAsFQDN: true, ...once('hostname') },
    log: 'one.sub.default.svc.cluster.local\n',
  },
  {
    name: 'a host name that overrides all others',
    spec: { hostname: 'one', subdomain: 'sub', hostnameOverride: 'other.example', ...once('hostname; hostname -f') },
    log: 'other.example\nother.example\n',
  },
  {
    name: 'a resolver of the pod’s own',
    spec: {
      dnsPolicy: 'None',
      dnsConfig: {
        nameservers: ['1.1.1.1'],
        searches: ['resolv.conf.local'],
        options: [{ name: 'ndots', value: '2' }],
      },
      ...once('cat /etc/resolv.conf'),
    },
    log: 'search resolv.conf.local\nnameserver 1.1.1.1\noptions ndots:2\n',
  },
];

export const cases: readonly PodCase[] = [
  ...holderCases,
  ...subPathCases,
  ...emptyDirCases,
  ...downwardCases,
  ...envCases,
  ...securityCases,
  ...endCases,
  ...initCases,
  ...nameCases,
];
