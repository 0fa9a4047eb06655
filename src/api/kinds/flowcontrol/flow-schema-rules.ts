import type { FieldError } from '../../kind.ts';
import type { FlowSchema } from '../../types.ts';
import { all, each, forbidden, invalid, notSupported, required, ruled } from '../errors.ts';
import { dnsLabel, dnsSubdomain, faults } from '../names.ts';

type Rule = NonNullable<NonNullable<FlowSchema['spec']>['rules']>[number];
type Subject = NonNullable<Rule['subjects']>[number];
type ResourceRule = NonNullable<Rule['resourceRules']>[number];
type NonResourceRule = NonNullable<Rule['nonResourceRules']>[number];

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];

/** Whose requests a FlowSchema is about, and which. */
export function validateRule({ subjects, resourceRules, nonResourceRules }: Rule, field: string): FieldError[] {
  const says = resourceRules?.length || nonResourceRules?.length;
  return all(
    !subjects?.length && [required(`${field}.subjects`, 'subjects must contain at least one value')],
    each(subjects, `${field}.subjects`, validateSubject),
    !says && [required(field, 'at least one of resourceRules and nonResourceRules has to be non-empty')],
    each(resourceRules, `${field}.resourceRules`, validateResourceRule),
    each(nonResourceRules, `${field}.nonResourceRules`, validateNonResourceRule),
  );
}

/** The field of each kind of subject. */
const subjectFields = { Group: 'group', ServiceAccount: 'serviceAccount', User: 'user' } as const;

function validateSubject(subject: Subject, field: string): FieldError[] {
  const { kind = '' } = subject;
  if (!(kind in subjectFields)) return [notSupported(`${field}.kind`, kind, Object.keys(subjectFields))];
  const own = subjectFields[kind as keyof typeof subjectFields];
  const others = Object.entries(subjectFields).filter(([other]) => other !== kind);
  return all(
    subject[own]
      ? validateNames(subject[own], `${field}.${own}`, own === 'serviceAccount')
      : [required(`${field}.${own}`, `${own} is required when subject kind is '${kind}'`)],
    others.flatMap(([other, part]) =>
      subject[part] ? [forbidden(`${field}.${part}`, `${part} is forbidden when subject kind is not '${other}'`)] : [],
    ),
  );
}

function validateNames(
  { name = '', namespace = '' }: { name?: string; namespace?: string },
  field: string,
  isAccount: boolean,
): FieldError[] {
  return all(
    name === '' && [required(`${field}.name`)],
    isAccount && name !== '' && name !== '*' && ruled(`${field}.name`, name, dnsSubdomain),
    isAccount &&
      (namespace === ''
        ? [required(`${field}.namespace`, 'must specify namespace for service account')]
        : ruled(`${field}.namespace`, namespace, dnsLabel)),
  );
}

function validateResourceRule(rule: ResourceRule, field: string): FieldError[] {
  const { namespaces = [], clusterScope = false } = rule;
  return all(
    validateVerbs(rule.verbs, `${field}.verbs`),
    validateAll(rule.apiGroups, `${field}.apiGroups`, 'api group'),
    validateAll(rule.resources, `${field}.resources`, 'resource'),
    namespaces.length === 0 &&
      !clusterScope && [
        required(
          `${field}.namespaces`,
          'resource rules that are not cluster scoped must supply at least one namespace',
        ),
      ],
    namespaces.includes('*')
      ? validateAlone(namespaces, `${field}.namespaces`, 'namespaces')
      : each(namespaces, `${field}.namespaces`, (namespace, at) => {
          const intro = "each member of this list must be '*' or a DNS-1123 label; ";
          return faults(dnsLabel, namespace).map((wrong) => invalid(at, namespace, intro + wrong));
        }),
  );
}

function validateNonResourceRule({ verbs: asked, nonResourceURLs: urls = [] }: NonResourceRule, field: string) {
  const at = `${field}.nonResourceURLs`;
  return all(
    validateVerbs(asked, `${field}.verbs`),
    urls.length === 0 && [required(at, 'nonResourceURLs must contain at least one value')],
    urls.includes('*') ? validateAlone(urls, at, 'non-resource URLs') : each(urls, at, validateUrl),
  );
}

function validateVerbs(asked: readonly string[] = [], field: string): FieldError[] {
  if (asked.length === 0) return [required(field, 'verbs must contain at least one value')];
  if (asked.includes('*')) return validateAlone(asked, field, 'verbs');
  return asked.every((verb) => verbs.includes(verb)) ? [] : [notSupported(field, asked, verbs)];
}

function validateAll(given: readonly string[] = [], field: string, what: string): FieldError[] {
  if (given.length === 0) return [required(field, `resource rules must supply at least one ${what}`)];
  return given.includes('*') ? validateAlone(given, field, `${what}s`) : [];
}

/** Who means all means nothing else beside it. */
function validateAlone(given: readonly string[], field: string, others: string): FieldError[] {
  return given.length > 1 ? [invalid(field, given, `if '*' is present, must not specify other ${others}`)] : [];
}

function validateUrl(url: string, field: string): FieldError[] {
  const wrong = wrongUrl(url);
  return wrong === undefined ? [] : [invalid(field, url, wrong)];
}

function wrongUrl(url: string): string | undefined {
  if (url === '') return 'must not be empty';
  if (url === '/') return undefined;
  if (!url.startsWith('/')) return 'must start with slash';
  if (url.includes(' ')) return 'must not contain white-space';
  if (url.includes('//')) return 'must not contain double slash';
  const first = url.indexOf('*');
  const isSuffix = url.endsWith('/*') && first === url.length - 1;
  return first >= 0 && !isSuffix ? 'wildcard can only do suffix matching' : undefined;
}
