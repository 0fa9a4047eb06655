import type { FieldError } from '../../kind.ts';
import type { LabelSelector } from '../../types.ts';
import { all, forbidden, invalid, oneOf, required, ruledIfGiven } from '../errors.ts';
import { selectorInGoText, validateLabelSelector } from '../label-selector.ts';
import { dnsLabel1035, dnsSubdomain, faults, pathSegment } from '../names.ts';

/** What kind the parameters of a policy are of. */
export interface ParamKind {
  apiVersion?: string;
  kind?: string;
}

/** Which objects of that kind a binding takes. */
export interface ParamRef {
  name?: string;
  namespace?: string;
  selector?: LabelSelector;
  parameterNotFoundAction?: string;
}

export function validateParamKind({ apiVersion = '', kind = '' }: ParamKind, field: string): FieldError[] {
  return [...validateApiVersion(apiVersion, `${field}.apiVersion`), ...validateKindName(kind, `${field}.kind`)];
}

function validateApiVersion(apiVersion: string, field: string): FieldError[] {
  if (apiVersion === '') return [required(field)];
  const parts = apiVersion.split('/');
  if (parts.length > 2) return [invalid(field, apiVersion, `unexpected GroupVersion string: ${apiVersion}`)];
  const group = parts.length === 2 ? (parts[0] as string) : '';
  const version = parts.at(-1) as string;
  const wrongGroup = group === '' ? [] : faults(dnsSubdomain, group);
  const wrongVersion = version === '' ? [] : faults(dnsLabel1035, version);
  return all(
    wrongGroup.length > 0 && [invalid(field, group, wrongGroup.join(','))],
    version === '' && [invalid(field, apiVersion, 'version must be specified')],
    wrongVersion.length > 0 && [invalid(field, version, wrongVersion.join(','))],
  );
}

function validateKindName(kind: string, field: string): FieldError[] {
  if (kind === '') return [required(field)];
  const wrong = faults(dnsLabel1035, kind.toLowerCase());
  if (wrong.length === 0) return [];
  return [invalid(field, kind, `may have mixed case, but should otherwise match: ${wrong.join(',')}`)];
}

export function validateParamRef(ref: ParamRef, field: string): FieldError[] {
  const { name = '', selector, parameterNotFoundAction } = ref;
  const both = name !== '' && selector !== undefined;
  const exclusive = 'name and selector are mutually exclusive';
  return all(
    ruledIfGiven(`${field}.name`, name, pathSegment),
    both && [forbidden(`${field}.name`, exclusive)],
    validateLabelSelector(selector, `${field}.selector`),
    both && [forbidden(`${field}.selector`, exclusive)],
    name === '' && !selector && [required(field, 'one of name or selector must be specified')],
    parameterNotFoundAction
      ? oneOf(`${field}.parameterNotFoundAction`, parameterNotFoundAction, ['Deny', 'Allow'])
      : [required(`${field}.parameterNotFoundAction`)],
  );
}

/** The kind as a cell: `v1/ConfigMap`. */
export function paramKindText(kind: ParamKind | undefined): string {
  return kind ? `${kind.apiVersion ?? ''}/${kind.kind ?? ''}` : '<unset>';
}

/** What a binding takes, as a cell: `NAMESPACE/NAME`. */
export function paramRefText({ name, namespace, selector }: ParamRef = {}): string {
  if (name) return `${namespace || '*'}/${name}`;
  return selector ? selectorInGoText(selector) : '<unset>';
}
