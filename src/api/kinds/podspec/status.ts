import type { FieldError } from '../../kind.ts';
import type { Pod } from '../../types.ts';
import { validateIp } from '../addresses.ts';
import { all, each, forbidden, invalid, ruled, unchanged } from '../errors.ts';
import { dnsSubdomain, qualifiedName } from '../names.ts';
import { mayRestartAll, restartsAfter } from './restart.ts';

type Status = NonNullable<Pod['status']>;
type ContainerStatus = NonNullable<Status['containerStatuses']>[number];
type List = 'containerStatuses' | 'initContainerStatuses' | 'ephemeralContainerStatuses';

const ownConditions = ['PodScheduled', 'Ready', 'Initialized'];

/** A status with what stays where its writer, an older kubelet, says nothing of it. Gives away its argument. */
export function withKept(status: Status, old: Status): Status {
  status.qosClass ||= old.qosClass;
  status.observedGeneration ||= old.observedGeneration;
  const before = [...(old.conditions ?? [])];
  for (const condition of status.conditions ?? []) {
    const index = before.findIndex(({ type }) => type === condition.type);
    const [same] = index < 0 ? [] : before.splice(index, 1);
    condition.observedGeneration ||= same?.observedGeneration;
  }
  keepAddressesTogether(status);
  return status;
}

/** Of a pod's addresses the first stands in a field of its own too, which is the one that counts. */
function keepAddressesTogether(status: Status): void {
  if (status.podIP && status.podIP !== status.podIPs?.[0]?.ip) status.podIPs = [{ ip: status.podIP }];
  else if (status.podIPs?.[0]) status.podIP = status.podIPs[0].ip;
}

export function validatePodStatus(pod: Pod, old: Pod): FieldError[] {
  const [status, before] = [pod.status ?? {}, old.status ?? {}];
  const negative = 'must be a non-negative integer';
  const { observedGeneration = 0 } = status;
  const spec = old.spec ?? { containers: [] };
  const mayRestart = (list: 'containers' | 'initContainers') => (name: string, exitCode: number) => {
    const container = spec[list]?.find((one) => one.name === name);
    return container !== undefined && restartsAfter(container, spec.restartPolicy, exitCode);
  };
  return all(
    each(status.conditions, 'status.conditions', ({ type, observedGeneration: seen = 0 }, at) =>
      all(
        seen < 0 && [invalid(`${at}.observedGeneration`, seen, negative)],
        !ownConditions.includes(type) && ruled(`${at}.Type`, type ?? '', qualifiedName),
      ),
    ),
    validateNomination(status.nominatedNodeName, before.nominatedNodeName, spec.nodeName),
    observedGeneration < 0 && [invalid('status.observedGeneration', observedGeneration, negative)],
    unchanged('status.qosClass', status.qosClass ?? '', before.qosClass ?? ''),
    ...(mayRestartAll([...(spec.initContainers ?? []), ...spec.containers])
      ? []
      : [
          validateEnded(status, before, 'containerStatuses', mayRestart('containers')),
          validateEnded(status, before, 'initContainerStatuses', mayRestart('initContainers')),
        ]),
    validateEnded(status, before, 'ephemeralContainerStatuses', () => false),
    validateAddresses('podIPs', status.podIPs, before.podIPs),
    status.hostIPs?.[0] &&
      (status.hostIPs[0].ip ?? '') !== (status.hostIP ?? '') && [
        invalid('status.hostIPs[0].ip', status.hostIPs[0].ip ?? '', 'must be equal to `hostIP`'),
      ],
    validateAddresses('hostIPs', status.hostIPs, before.hostIPs),
  );
}

/** Where room is being made for a pod: nowhere any more once it has a node. */
function validateNomination(
  name: string | undefined,
  old: string | undefined,
  bound: string | undefined,
): FieldError[] {
  if (!name || name === old) return [];
  const detail = 'may not be set on pods that are already bound to a node';
  return all(
    ruled('status.nominatedNodeName', name, dnsSubdomain),
    bound && [forbidden('status.nominatedNodeName', detail)],
  );
}

/** A container that has ended for good does not live again. */
function validateEnded(
  status: Status,
  old: Status,
  list: List,
  mayRestart: (name: string, exitCode: number) => boolean,
): FieldError[] {
  const isBack = ({ name, state }: ContainerStatus) => {
    const now = status[list]?.find((one) => one.name === name);
    return state?.terminated && now && !now.state?.terminated && !mayRestart(name, state.terminated.exitCode ?? 0);
  };
  return each(old[list], `status.${list}`, (one, at) =>
    isBack(one) ? [forbidden(`${at}.state`, 'may not be transitioned to non-terminated state')] : [],
  );
}

type Addresses = readonly { readonly ip?: string }[];

/** One address of each family; those that were there stay, whatever they are. */
function validateAddresses(name: 'podIPs' | 'hostIPs', now: Addresses = [], old: Addresses = []): FieldError[] {
  const known = new Set(old.map(({ ip }) => ip));
  const families = new Set(now.map(({ ip = '' }) => ip.includes(':')));
  const isTwice = now.length > 2 || families.size < now.length;
  const inGo = now.map(({ ip }) => ({ IP: ip }));
  return all(
    each(now, `status.${name}`, ({ ip }, at) => (known.has(ip) ? [] : validateIp(ip, at))),
    now.length > 1 &&
      isTwice && [invalid(`status.${name}`, inGo, 'may specify no more than one IP for each IP family')],
  );
}
