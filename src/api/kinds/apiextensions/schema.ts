import type { FieldError } from '../../kind.ts';
import { invalid } from '../../kinds/errors.ts';
import { checkDefaults } from '../../structural/check-defaults.ts';
import { hasRules, type JsonSchema } from '../../structural/json-schema.ts';
import { checkKeywords, checkRoot, unsupportedIn } from '../../structural/keywords.ts';
import { checkStructural } from '../../structural/structural.ts';

/** What Kubernetes checks of a schema (apiextensions' validateCustomResourceDefinitionValidation). */
export async function validateSchema(schema: JsonSchema, path: string, hasStatus: boolean): Promise<FieldError[]> {
  const wrong = [...checkRoot(schema, path, hasStatus), ...checkKeywords(schema, path)];
  const unsupported = unsupportedIn(schema);
  if (unsupported) return wrong.length > 0 ? wrong : [invalid(path, '', unsupported)];
  const structural = checkStructural(schema, path);
  if (structural.length > 0) return [...structural, ...wrong];
  const rules = hasRules(schema) ? new (await import('../../cel/rules.ts')).SchemaRules(schema) : undefined;
  // Defaults are tried against a structural schema, and rules are looked at where defaults are sound.
  const defaults = checkDefaults(schema, path, rules);
  if (defaults.length > 0 || !rules) return [...defaults, ...wrong];
  return [...wrong, ...rules.check(schema, path).filter(({ field }) => !wrong.some((each) => hides(each, field)))];
}

/** Of a schema that is wrong, or that holds one that is, the rules are not looked at. */
function hides(wrong: FieldError, field: string): boolean {
  const at = field.replace(/\.x-kubernetes-validations\b.*$/, '');
  return wrong.field.startsWith(`${at}.`);
}
