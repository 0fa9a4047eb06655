import type { FieldError } from '../../kind.ts';
import type { Container, PodSpec } from '../../types.ts';
import { all, each, forbidden, oneOf, required } from '../errors.ts';

type Secured = Pick<Container, 'securityContext'>;

/** Fields that mean nothing on Windows. */
const notOfWindows = {
  pod: ['hostUsers', 'hostPID', 'hostIPC', 'shareProcessNamespace'],
  podContext: [
    ...['appArmorProfile', 'seLinuxOptions', 'seccompProfile', 'fsGroup', 'fsGroupChangePolicy', 'sysctls'],
    ...['runAsUser', 'runAsGroup', 'supplementalGroups', 'supplementalGroupsPolicy', 'seLinuxChangePolicy'],
  ],
  context: [
    ...['appArmorProfile', 'seLinuxOptions', 'seccompProfile', 'capabilities', 'readOnlyRootFilesystem'],
    ...['privileged', 'allowPrivilegeEscalation', 'procMount', 'runAsUser', 'runAsGroup'],
  ],
};

/** The system that a pod says it is for, and what it asks of it (KEP-2802). */
export function validateOs(spec: PodSpec, field: string): FieldError[] {
  const name = spec.os?.name;
  if (!name) return [required(`${field}.os.name`)];
  if (name === 'linux') {
    const detail = 'windows options cannot be set for a linux pod';
    return validateWithout(spec, field, detail, {
      pod: [],
      podContext: ['windowsOptions'],
      context: ['windowsOptions'],
    });
  }
  if (name === 'windows') {
    // Of these two `false` says nothing.
    const said = { ...spec, hostPID: spec.hostPID || undefined, hostIPC: spec.hostIPC || undefined };
    return validateWithout(said, field, 'cannot be set for a windows pod', notOfWindows);
  }
  return oneOf(`${field}.os`, name, ['linux', 'windows']);
}

function validateWithout(spec: PodSpec, field: string, detail: string, fields: typeof notOfWindows): FieldError[] {
  const refuse = (object: object | undefined, keys: readonly string[], at: string) =>
    Object.entries(object ?? {})
      .filter(([key, value]) => keys.includes(key) && value !== undefined)
      .map(([key]) => forbidden(`${at}.${key}`, detail));
  return all(
    refuse(spec, fields.pod, field),
    refuse(spec.securityContext, fields.podContext, `${field}.securityContext`),
    (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
      each<Secured>(spec[list], `${field}.${list}`, ({ securityContext }, at) =>
        refuse(securityContext, fields.context, `${at}.securityContext`),
      ),
    ),
  );
}
