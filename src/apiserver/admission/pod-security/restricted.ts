import type { Container, Volume } from '../../../api/types.ts';
import { procMount, seccompProfile } from './baseline.ts';
import {
  type Check,
  named,
  namesWhere,
  type PodFacts,
  quoted,
  setters,
  sorted,
  unlessUserNamespace,
  unlessWindows,
  type Violation,
} from './check.ts';

function privilegeEscalation(pod: PodFacts): Violation | undefined {
  const bad = namesWhere(pod, ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false);
  if (bad.length === 0) return undefined;
  const detail = `${named('container', bad)} must set securityContext.allowPrivilegeEscalation=false`;
  return { reason: 'allowPrivilegeEscalation != false', detail };
}

function capabilities(pod: PodFacts): Violation | undefined {
  const of = ({ securityContext }: Container) => securityContext?.capabilities;
  const extra = (container: Container) => (of(container)?.add ?? []).filter((name) => name !== 'NET_BIND_SERVICE');
  const keeping = namesWhere(pod, (container) => !of(container)?.drop?.includes('ALL'));
  const adding = namesWhere(pod, (container) => extra(container).length > 0);
  const details = [
    ...(keeping.length > 0
      ? [`${named('container', keeping)} must set securityContext.capabilities.drop=["ALL"]`]
      : []),
    ...(adding.length > 0
      ? [
          `${named('container', adding)} must not include ${quoted(sorted(pod.containers.flatMap(extra)))} in securityContext.capabilities.add`,
        ]
      : []),
  ];
  return details.length > 0 ? { reason: 'unrestricted capabilities', detail: details.join('; ') } : undefined;
}

const allowedVolumes: readonly (keyof Volume)[] = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
];

function volumes({ spec }: PodFacts): Violation | undefined {
  const bad = (spec.volumes ?? []).filter((volume) => !allowedVolumes.some((type) => volume[type] !== undefined));
  if (bad.length === 0) return undefined;
  const types = sorted(bad.map((volume) => Object.keys(volume).find((field) => field !== 'name') ?? 'unknown'));
  const uses = bad.length === 1 ? 'uses' : 'use';
  const what = named(
    'volume',
    bad.map(({ name }) => name),
  );
  return { reason: 'restricted volume types', detail: `${what} ${uses} ${named('restricted volume type', types)}` };
}

function runAsNonRoot(pod: PodFacts): Violation | undefined {
  const reason = 'runAsNonRoot != true';
  const ofPod = pod.spec.securityContext?.runAsNonRoot;
  const explicit = namesWhere(pod, ({ securityContext }) => securityContext?.runAsNonRoot === false);
  const who = setters(ofPod === false, explicit);
  if (who !== '') return { reason, detail: `${who} must not set securityContext.runAsNonRoot=false` };
  if (ofPod) return undefined;
  const implicit = namesWhere(pod, ({ securityContext }) => securityContext?.runAsNonRoot === undefined);
  if (implicit.length === 0) return undefined;
  return { reason, detail: `pod or ${named('container', implicit)} must set securityContext.runAsNonRoot=true` };
}

function runAsUser(pod: PodFacts): Violation | undefined {
  const bad = namesWhere(pod, ({ securityContext }) => securityContext?.runAsUser === 0);
  const who = setters(pod.spec.securityContext?.runAsUser === 0, bad);
  return who === '' ? undefined : { reason: 'runAsUser=0', detail: `${who} must not set runAsUser=0` };
}

function seccomp(pod: PodFacts): Violation | undefined {
  const wrong = seccompProfile(pod);
  if (wrong || pod.spec.securityContext?.seccompProfile) return wrong;
  const bad = namesWhere(pod, ({ securityContext }) => !securityContext?.seccompProfile);
  if (bad.length === 0) return undefined;
  const must = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"';
  return { reason: 'seccompProfile', detail: `pod or ${named('container', bad)} ${must}` };
}

const level = 'restricted';

/** What is asked of pods beyond the baseline, by today's best practice. */
export const restricted: readonly Check[] = [
  {
    id: 'allowPrivilegeEscalation',
    level,
    versions: [
      [8, privilegeEscalation],
      [25, unlessWindows(privilegeEscalation)],
    ],
  },
  {
    id: 'capabilities_restricted',
    level,
    versions: [
      [22, capabilities],
      [25, unlessWindows(capabilities)],
    ],
    overrides: 'capabilities_baseline',
  },
  { id: 'procMount_restricted', level, versions: [[35, procMount]], overrides: 'procMount' },
  { id: 'restrictedVolumes', level, versions: [[0, volumes]], overrides: 'hostPathVolumes' },
  {
    id: 'runAsNonRoot',
    level,
    versions: [
      [0, runAsNonRoot],
      [35, unlessUserNamespace(runAsNonRoot)],
    ],
  },
  {
    id: 'runAsUser',
    level,
    versions: [
      [23, runAsUser],
      [35, unlessUserNamespace(runAsUser)],
    ],
  },
  {
    id: 'seccompProfile_restricted',
    level,
    versions: [
      [19, seccomp],
      [25, unlessWindows(seccomp)],
    ],
    overrides: 'seccompProfile_baseline',
  },
];
