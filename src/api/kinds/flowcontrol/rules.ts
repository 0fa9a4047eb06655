import type { FieldError } from '../../kind.ts';
import type { FlowSchema } from '../../types.ts';
import { all, each, forbidden, invalid, notSupported, required, ruledIfGiven } from '../errors.ts';
import { dnsLabel, dnsSubdomain } from '../names.ts';

type Rule = NonNullable<NonNullable<FlowSchema['spec']>['rules']>[number];
type ResourceRule = NonNullable<Rule['resourceRules']>[number];
type PathRule = NonNullable<Rule['nonResourceRules']>[number];
type Subject = Rule['subjects'][number];

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];
const subjectKinds = { user: 'User', group: 'Group', serviceAccount: 'ServiceAccount' } as const;

/** Whose requests, for what, belong to a flow schema. */
export function validateRule({ subjects, resourceRules, nonResourceRules }: Rule, at: string): FieldError[] {
  const nothing = !resourceRules?.length && !nonResourceRules?.length;
  return all(
    !subjects?.length && [required(`${at}.subjects`, 'subjects must contain at least one value')],
    nothing && [required(at, 'at least one of resourceRules and nonResourceRules has to be non-empty')],
    each(subjects, `${at}.subjects`, validateSubject),
    each(resourceRules, `${at}.resourceRules`, validateResourceRule),
    each(nonResourceRules, `${at}.nonResourceRules`, validatePathRule),
  );
}

function validateSubject(subject: Subject, at: string): FieldError[] {
  const kinds = Object.entries(subjectKinds) as [keyof typeof subjectKinds, string][];
  const [own] = kinds.find(([, kind]) => kind === subject.kind) ?? [];
  if (!own) return [notSupported(`${at}.kind`, subject.kind ?? '', Object.values(subjectKinds).sort())];
  return all(
    validateNamed(subject, own, `${at}.${own}`),
    kinds.flatMap(([field, kind]) =>
      field !== own && subject[field]
        ? [forbidden(`${at}.${field}`, `${field} is forbidden when subject kind is not '${kind}'`)]
        : [],
    ),
  );
}

function validateNamed(subject: Subject, own: keyof typeof subjectKinds, at: string): FieldError[] {
  const given = subject[own];
  if (!given) return [required(at, `${own} is required when subject kind is '${subject.kind}'`)];
  const missing = given.name ? [] : [required(`${at}.name`)];
  if (own !== 'serviceAccount') return missing;
  const { name = '', namespace = '' } = subject.serviceAccount ?? {};
  return all(
    missing,
    name !== '*' && ruledIfGiven(`${at}.name`, name, dnsSubdomain),
    namespace === ''
      ? [required(`${at}.namespace`, 'must specify namespace for service account')]
      : ruledIfGiven(`${at}.namespace`, namespace, dnsLabel),
  );
}

function validateResourceRule(rule: ResourceRule, at: string): FieldError[] {
  const { apiGroups, resources, namespaces = [], clusterScope } = rule;
  const intro = "each member of this list must be '*' or a DNS-1123 label; ";
  return all(
    validateVerbs(rule.verbs, `${at}.verbs`),
    validateList(apiGroups, `${at}.apiGroups`, 'resource rules must supply at least one api group', 'api groups'),
    validateList(resources, `${at}.resources`, 'resource rules must supply at least one resource', 'resources'),
    namespaces.length === 0 &&
      !clusterScope && [
        required(`${at}.namespaces`, 'resource rules that are not cluster scoped must supply at least one namespace'),
      ],
    validateAlone(namespaces, `${at}.namespaces`, 'namespaces'),
    !namespaces.includes('*') &&
      each(namespaces, `${at}.namespaces`, (namespace, field) => {
        const wrong = dnsLabel(namespace);
        return wrong ? [invalid(field, namespace, `${intro}${wrong}`)] : [];
      }),
  );
}

function validatePathRule({ verbs: asked, nonResourceURLs: urls = [] }: PathRule, at: string): FieldError[] {
  const field = `${at}.nonResourceURLs`;
  return all(
    validateVerbs(asked, `${at}.verbs`),
    validateList(urls, field, 'nonResourceURLs must contain at least one value', 'non-resource URLs'),
    !urls.includes('*') && each(urls, field, validatePath),
  );
}

function validatePath(path: string, field: string): FieldError[] {
  if (path === '') return [invalid(field, path, 'must not be empty')];
  if (path === '/') return [];
  if (!path.startsWith('/')) return [invalid(field, path, 'must start with slash')];
  if (path.includes(' ')) return [invalid(field, path, 'must not contain white-space')];
  if (path.includes('//')) return [invalid(field, path, 'must not contain double slash')];
  const stars = path.split('*').length - 1;
  if (stars === 0 || (stars === 1 && path.endsWith('/*'))) return [];
  return [invalid(field, path, 'wildcard can only do suffix matching')];
}

function validateVerbs(asked: readonly string[] | undefined, field: string): FieldError[] {
  const errors = validateList(asked, field, 'verbs must contain at least one value', 'verbs');
  if (!asked?.length || asked.includes('*') || asked.every((verb) => verbs.includes(verb))) return errors;
  return [...errors, notSupported(field, asked, verbs)];
}

function validateList(
  items: readonly string[] | undefined,
  field: string,
  missing: string,
  what: string,
): FieldError[] {
  return items?.length ? validateAlone(items, field, what) : [required(field, missing)];
}

/** Who names all names nothing beside it. */
function validateAlone(items: readonly string[], field: string, what: string): FieldError[] {
  if (items.length < 2 || !items.includes('*')) return [];
  return [invalid(field, items, `if '*' is present, must not specify other ${what}`)];
}
