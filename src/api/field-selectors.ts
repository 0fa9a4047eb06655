import { KnitError } from '../base/errors.ts';

export interface FieldRequirement {
  readonly field: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}

/** A field selector, ready to be asked. */
export interface FieldSelection {
  readonly requirements: readonly FieldRequirement[];
  /** Fields that must have exactly this value. */
  readonly equalities: Readonly<Record<string, string>>;
  /** `read` gives the value of a field of the object, `''` where it has none. */
  matches(read: (field: string) => string): boolean;
}

/**
 * Parses a field selector: `spec.nodeName=node-1,status.phase!=Running`; `\` escapes `,`, `=` and itself. Which
 * fields there are is the kind's to say.
 *
 * @throws KnitError `BAD_FIELD_SELECTOR`, in the words of Kubernetes' parser (k8s.io/apimachinery/pkg/fields)
 */
export function parseFieldSelector(text: string): FieldSelection {
  const requirements = splitTerms(text).map((term) => parseTerm(term, text));
  const equalities: Record<string, string> = {};
  for (const { field, operator, value } of requirements) if (operator === '=') equalities[field] = value;
  return {
    requirements,
    equalities,
    matches: (read) =>
      requirements.every(({ field, operator, value }) => (read(field) === value) === (operator === '=')),
  };
}

function splitTerms(text: string): string[] {
  return (text.match(/(?:[^\\,]|\\[\s\S]|\\$)+/g) ?? []).filter((term) => term !== '');
}

function parseTerm(term: string, text: string): FieldRequirement {
  const match = /^((?:[^\\=!]|\\[\s\S]|!(?!=))*)(!=|==|=)([\s\S]*)$/.exec(term);
  if (!match) throw refused(`invalid selector: '${text}'; can't understand '${term}'`);
  const [, field = '', operator, value = ''] = match;
  return { field, operator: operator === '!=' ? '!=' : '=', value: unescapeValue(value) };
}

function unescapeValue(value: string): string {
  return value.replace(/\\([\s\S]?)|[,=]/g, (found: string, escaped: string | undefined) => {
    if (escaped !== undefined && '\\,='.includes(escaped) && escaped !== '') return escaped;
    if (found.startsWith('\\')) throw refused(`invalid field selector: invalid escape sequence: ${found}`);
    throw refused(`invalid field selector: unescaped character in value: ${found.charCodeAt(0)}`);
  });
}

const refused = (message: string): KnitError =>
  new KnitError('BAD_FIELD_SELECTOR', message, 'write it as metadata.name=web,status.phase!=Running');
