import type { FieldError } from '../../kind.ts';
import type { Container, PodSpec } from '../../types.ts';
import { all, duplicate, each, invalid, oneOf, required, tooLong } from '../errors.ts';
import { validateLocalPath } from './paths.ts';

type PodContext = NonNullable<PodSpec['securityContext']>;
type Context = NonNullable<Container['securityContext']>;
type Profile = NonNullable<Context['seccompProfile']>;

/** `securityContext` of a pod. */
export function validatePodSecurity(context: PodContext, field: string): FieldError[] {
  const { runAsUser, runAsGroup, fsGroup, supplementalGroups, sysctls, seccompProfile, appArmorProfile } = context;
  return all(
    validateUserId(runAsUser, `${field}.runAsUser`),
    validateUserId(runAsGroup, `${field}.runAsGroup`),
    validateUserId(fsGroup, `${field}.fsGroup`),
    supplementalGroups && each(supplementalGroups, `${field}.supplementalGroups`, validateUserId),
    sysctls && validateSysctls(sysctls, `${field}.sysctls`),
    validateChoices(context, field),
    seccompProfile && validateSeccomp(seccompProfile, `${field}.seccompProfile`),
    appArmorProfile && validateAppArmor(appArmorProfile, `${field}.appArmorProfile`),
  );
}

/** `seLinuxChangePolicy` has another one that is refused until it is switched on (KEP-1710). */
const choices = [
  ['fsGroupChangePolicy', ['Always', 'OnRootMismatch']],
  ['supplementalGroupsPolicy', ['Merge', 'Strict']],
  ['seLinuxChangePolicy', ['Recursive']],
] as const;

function validateChoices(context: PodContext, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, supported] of choices) {
    if (context[key] !== undefined) errors.push(...oneOf(`${field}.${key}`, context[key], supported));
  }
  return errors;
}

/** `securityContext` of a container. `hostUsers`: the pod's; it shares the host's users unless it says no. */
export function validateSecurityContext(context: Context, hostUsers: boolean | undefined, field: string): FieldError[] {
  const { procMount, seccompProfile, appArmorProfile } = context;
  const unmasked = procMount === 'Unmasked' && hostUsers !== false;
  return all(
    validateUserId(context.runAsUser, `${field}.runAsUser`),
    validateUserId(context.runAsGroup, `${field}.runAsGroup`),
    procMount !== undefined && oneOf(`${field}.procMount`, procMount, ['Default', 'Unmasked']),
    unmasked && [invalid(`${field}.procMount`, procMount, '`hostUsers` must be false to use `Unmasked`')],
    seccompProfile && validateSeccomp(seccompProfile, `${field}.seccompProfile`),
    context.allowPrivilegeEscalation === false && validateNoEscalation(context, field),
    appArmorProfile && validateAppArmor(appArmorProfile, `${field}.appArmorProfile`),
  );
}

function validateNoEscalation(context: Context, field: string): FieldError[] {
  const privileged = 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true';
  const admin = 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN';
  return all(
    context.privileged && [invalid(field, shownContext(context), privileged)],
    context.capabilities?.add?.includes('CAP_SYS_ADMIN') && [invalid(field, shownContext(context), admin)],
  );
}

/** The context as Kubernetes shows it: in its own spelling, all fields of it. */
function shownContext(context: Context): object {
  const { capabilities, seccompProfile, appArmorProfile } = context;
  return {
    Capabilities: capabilities ? { Add: capabilities.add ?? null, Drop: capabilities.drop ?? null } : null,
    Privileged: context.privileged ?? null,
    SELinuxOptions: context.seLinuxOptions ?? null,
    WindowsOptions: context.windowsOptions ?? null,
    RunAsUser: context.runAsUser ?? null,
    RunAsGroup: context.runAsGroup ?? null,
    RunAsNonRoot: context.runAsNonRoot ?? null,
    ReadOnlyRootFilesystem: context.readOnlyRootFilesystem ?? null,
    AllowPrivilegeEscalation: context.allowPrivilegeEscalation ?? null,
    ProcMount: context.procMount ?? null,
    SeccompProfile: seccompProfile ? shownProfile(seccompProfile) : null,
    AppArmorProfile: appArmorProfile ? shownProfile(appArmorProfile) : null,
  };
}

const shownProfile = ({ type, localhostProfile }: Profile): object => ({
  Type: type ?? '',
  LocalhostProfile: localhostProfile ?? null,
});

const profileTypes = ['Localhost', 'RuntimeDefault', 'Unconfined'];

function validateSeccomp(profile: Profile, field: string): FieldError[] {
  const { type, localhostProfile: path } = profile;
  const ofType = type
    ? oneOf(`${field}.type`, type, profileTypes)
    : [required(`${field}.type`, 'type is required when seccompProfile is set')];
  const at = `${field}.localhostProfile`;
  if (type === 'Localhost') {
    if (path === undefined) return [required(at, 'must be set when seccomp type is Localhost')];
    return validateLocalPath(path, at);
  }
  if (path === undefined) return ofType;
  return [...ofType, invalid(at, shownProfile(profile), 'can only be set when seccomp type is Localhost')];
}

const MAX_PROFILE_PATH = 4095;

function validateAppArmor({ type, localhostProfile: path }: Profile, field: string): FieldError[] {
  if (!type) return [required(`${field}.type`, 'type is required when appArmorProfile is set')];
  const at = `${field}.localhostProfile`;
  if (type !== 'Localhost') {
    const alone = path === undefined || !profileTypes.includes(type);
    return all(
      oneOf(`${field}.type`, type, profileTypes),
      !alone && [invalid(at, path, 'can only be set when AppArmor type is Localhost')],
    );
  }
  if (!path) return [required(at, 'must be set when AppArmor type is Localhost')];
  return all(
    path !== path.trim() && [invalid(at, path, 'must not be padded with whitespace')],
    Buffer.byteLength(path) > MAX_PROFILE_PATH && [tooLong(at, MAX_PROFILE_PATH)],
  );
}

/** A user's or group's number. */
function validateUserId(id: number | undefined, field: string): FieldError[] {
  if (id === undefined || (id >= 0 && id <= 2147483647)) return [];
  return [invalid(field, id, 'must be between 0 and 2147483647, inclusive')];
}

const MAX_SYSCTL = 253;
const sysctlSegment = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const sysctlPattern = `^(${sysctlSegment}[\\./])*${sysctlSegment}$`;
const sysctlName = new RegExp(sysctlPattern);

function validateSysctls(sysctls: readonly { readonly name?: string }[], field: string): FieldError[] {
  return each(sysctls, field, ({ name = '' }, place, i) => {
    const at = `${place}.name`;
    if (name === '') return [required(at)];
    if (name.length > MAX_SYSCTL || !sysctlName.test(name))
      return [invalid(at, name, `must have at most ${MAX_SYSCTL} characters and match regex ${sysctlPattern}`)];
    return sysctls.findIndex((each) => each.name === name) < i ? [duplicate(at, name)] : [];
  });
}
