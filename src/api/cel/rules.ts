import { type Environment, Optional } from '@marcbachmann/cel-js';
import { messageOf } from '../../base/errors.ts';
import type { FieldError } from '../kind.ts';
import { duplicate, forbidden, invalid, required } from '../kinds/errors.ts';
import { childOf, isObject, type JsonSchema, type ValidationRule, valuesOf } from '../structural/json-schema.ts';
import { correlated, isUnchanged } from '../structural/unchanged.ts';
import { CostExceeded, limited, OBJECT_LIMIT } from './budget.ts';
import { createEnvironment } from './environment.ts';
import { CompileError, compile, type Expression, failureOf } from './expression.ts';
import { times } from './function-costs.ts';
import { SchemaCosts } from './schema-costs.ts';
import { mostChildren, mostValues, sizedType } from './sizes.ts';
import { type CelType, CelTypes } from './values.ts';

/** The rules of one schema node (`x-kubernetes-validations`), compiled. */
interface NodeRules {
  /** What the schema calls its type. */
  readonly named: string;
  readonly type: CelType;
  readonly rules: readonly CompiledRule[];
}

interface CompiledRule {
  readonly rule: ValidationRule;
  readonly condition: Expression | undefined;
  readonly message: Expression | undefined;
  readonly usesOldSelf: boolean;
  /** Errors of `rule` and `messageExpression`, where they do not compile. */
  readonly ruleError?: string;
  readonly messageError?: string;
}

/** A value that rules are asked of. */
interface Checked {
  readonly value: unknown;
  readonly path: string;
  readonly old: unknown;
  /** Whether it is what it was; of what cannot be told again, whether all around it is. */
  isSame(): boolean;
}

/** Where a schema stands in a whole one. */
interface Place {
  readonly path: string;
  /** Within which schema its old value is not known; `undefined` where it is. */
  readonly unknownIn: string | undefined;
  readonly isRoot: boolean;
  /** How many values of it there may be in an object; `undefined` where there is no limit. */
  readonly most: number | undefined;
}

const UNTYPED =
  'failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations';

/** The rules of a schema and of all that is in it. */
export class SchemaRules {
  readonly #nodes = new Map<JsonSchema, NodeRules>();
  /** Schemas that have rules somewhere in them: values of others are not walked over. */
  readonly #holders = new Set<JsonSchema>();

  constructor(schema: JsonSchema) {
    const env = createEnvironment();
    const types = new CelTypes(env);
    const typed = new Map<JsonSchema, CelType>();
    this.#collect(schema, types, typed, true);
    // An environment takes no more types once it is copied for a rule.
    for (const [node, type] of typed) {
      const rules = node['x-kubernetes-validations'] ?? [];
      const compiled = rules.map((rule) => compileRule(rule, type, env));
      this.#nodes.set(node, { named: node.type ?? '', type, rules: compiled });
    }
  }

  get isEmpty(): boolean {
    return this.#holders.size === 0;
  }

  /** What is wrong with the rules themselves. `schema` is the whole one. */
  check(schema: JsonSchema, path: string): FieldError[] {
    const costs = new SchemaCosts();
    const errors = this.#check(schema, { path, unknownIn: undefined, isRoot: true, most: 1 }, costs);
    return [...errors, ...costs.errors(path)];
  }

  #check(schema: JsonSchema, at: Place, costs: SchemaCosts): FieldError[] {
    if (!this.#holders.has(schema)) return [];
    const { path, unknownIn, most } = at;
    const errors = this.#checkOwn(schema, at, costs);
    const children = mostChildren(schema);
    const below = {
      unknownIn,
      isRoot: false,
      most: most === undefined || children === undefined ? undefined : times(most, children),
    };
    for (const [name, child] of Object.entries(schema.properties ?? {})) {
      errors.push(...this.#check(child, { ...below, path: `${path}.properties[${name}]` }, costs));
    }
    const values = valuesOf(schema);
    if (values) errors.push(...this.#check(values, { ...below, path: `${path}.additionalProperties` }, costs));
    const isMap = schema['x-kubernetes-list-type'] === 'map';
    const item = { ...below, path: `${path}.items`, unknownIn: isMap ? unknownIn : (unknownIn ?? path) };
    if (schema.items) errors.push(...this.#check(schema.items, item, costs));
    return errors;
  }

  #checkOwn(schema: JsonSchema, { path, unknownIn, isRoot, most }: Place, costs: SchemaCosts): FieldError[] {
    if (!schema['x-kubernetes-validations']?.length) return [];
    const at = `${path}.x-kubernetes-validations`;
    const node = this.#nodes.get(schema);
    if (!node) return [{ reason: 'InternalError', field: at, message: `Internal error: internal error: ${UNTYPED}` }];
    const type = sizedType(schema, isRoot || undefined);
    return node.rules.flatMap((each, index) => {
      const dear = type ? costs.add(each, `${at}[${index}]`, type, mostValues(type, most)) : [];
      return [...dear, ...checkRule(each, `${at}[${index}]`, unknownIn)];
    });
  }

  /** What of a value breaks a rule. What an update leaves as it was is not held against it. */
  validate(schema: JsonSchema, value: unknown, path = '', old?: unknown): FieldError[] {
    try {
      return limited(OBJECT_LIMIT, () => this.#validate(schema, { value, path, old, isSame: () => false }));
    } catch (error) {
      if (!(error instanceof CostExceeded)) throw error;
      const detail = 'validation failed due to running out of cost budget, no further validation rules will be run';
      return [invalid(path || '<nil>', schema.type ?? '', detail)];
    }
  }

  #validate(schema: JsonSchema, at: Checked): FieldError[] {
    const { value, path, old } = at;
    if (value === null || value === undefined || !this.#holders.has(schema)) return [];
    const node = this.#nodes.get(schema);
    const isSame = old === undefined ? at.isSame : () => isUnchanged(schema, value, old);
    const errors = node ? runRules(node, { ...at, isSame }) : [];
    if (Array.isArray(value)) {
      const { items } = schema;
      const before = correlated(schema, old);
      const placeOf = (item: unknown, index: number): Checked => {
        return { value: item, path: `${path}[${index}]`, old: before(item), isSame };
      };
      if (items) errors.push(...value.flatMap((item, index) => this.#validate(items, placeOf(item, index))));
    } else if (isObject(value)) {
      const was = isObject(old) ? old : {};
      for (const [name, field] of Object.entries(value)) {
        const child = childOf(schema, name);
        const place = schema.properties?.[name] ? (path === '' ? name : `${path}.${name}`) : `${path}[${name}]`;
        if (child) errors.push(...this.#validate(child, { value: field, path: place, old: was[name], isSame }));
      }
    }
    return errors;
  }

  /** Finds the types of all schemas with rules; tells whether there are any in this one. */
  #collect(schema: JsonSchema, types: CelTypes, typed: Map<JsonSchema, CelType>, isRoot: boolean): boolean {
    let holds = (schema['x-kubernetes-validations']?.length ?? 0) > 0;
    const type = holds ? types.of(schema, isRoot || undefined) : undefined;
    if (type) typed.set(schema, type);
    for (const part of [...Object.values(schema.properties ?? {}), valuesOf(schema), schema.items]) {
      if (part && this.#collect(part, types, typed, false)) holds = true;
    }
    if (holds) this.#holders.add(schema);
    return holds;
  }
}

function compileRule(rule: ValidationRule, type: CelType, env: Environment): CompiledRule {
  const oldType = rule.optionalOldSelf ? `optional<${type.name}>` : type.name;
  const scope = env.clone().registerVariable('self', type.name).registerVariable('oldSelf', oldType);
  // That a rule is empty is said elsewhere.
  if (rule.rule.trim() === '') return { rule, condition: undefined, message: undefined, usesOldSelf: false };
  const [condition, ruleError] = attempt(() => expecting(compile(scope, rule.rule), 'bool', 'cel expression'));
  const [message, messageError] =
    rule.messageExpression && condition
      ? attempt(() => expecting(compile(scope, rule.messageExpression ?? ''), 'string', 'messageExpression'))
      : [];
  return { rule, condition, message, usesOldSelf: condition?.mentions('oldSelf') ?? false, ruleError, messageError };
}

function attempt(make: () => Expression): [Expression | undefined, string | undefined] {
  try {
    return [make(), undefined];
  } catch (error) {
    if (error instanceof CompileError) return [undefined, error.message];
    throw error;
  }
}

function expecting(expression: Expression, type: string, what: string): Expression {
  if (expression.type === type || expression.type === 'dyn') return expression;
  throw new CompileError(`${what} must evaluate to a ${type}`);
}

function checkRule(compiled: CompiledRule, path: string, unknownIn: string | undefined): FieldError[] {
  const { rule, ruleError, messageError, usesOldSelf } = compiled;
  const errors: FieldError[] = [];
  if (ruleError) errors.push(invalid(`${path}.rule`, rule, ruleError));
  if (messageError) errors.push(invalid(`${path}.messageExpression`, rule, messageError));
  if (usesOldSelf && unknownIn !== undefined) {
    const detail = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${unknownIn}`;
    errors.push(invalid(`${path}.rule`, rule.rule, detail));
  } else if (!usesOldSelf && rule.optionalOldSelf !== undefined) {
    const detail = 'may not be set if oldSelf is not used in rule';
    errors.push(invalid(`${path}.optionalOldSelf`, rule.optionalOldSelf, detail));
  }
  return errors;
}

function runRules({ named, type, rules }: NodeRules, { value, path, old, isSame }: Checked): FieldError[] {
  const self = type.fromJson(value);
  const before = old === undefined || old === null ? undefined : type.fromJson(old);
  const place = path || '<nil>';
  return rules.flatMap((compiled) => {
    const { rule, condition, usesOldSelf } = compiled;
    if (compiled.ruleError) return [invalid(place, named, `rule compile error: ${compiled.ruleError}`)];
    if (!condition) return [];
    if (usesOldSelf && before === undefined && !rule.optionalOldSelf) return [];
    const optional = before === undefined ? Optional.none() : Optional.of(before);
    const variables = { self, oldSelf: rule.optionalOldSelf ? optional : before };
    const holds = evaluate(rule, condition, variables);
    if (typeof holds === 'string') return [invalid(place, named, holds)];
    if (holds || (!usesOldSelf && isSame())) return [];
    const detail = spoken(compiled.message, variables) ?? (rule.message?.trim() || `failed rule: ${rule.rule.trim()}`);
    return [errorOf(rule, fieldOf(rule, path), value, detail)];
  });
}

function fieldOf({ fieldPath }: ValidationRule, path: string): string {
  if (!fieldPath) return path || '<nil>';
  return path === '' ? fieldPath.replace(/^\./, '') : path + fieldPath;
}

/** Whether the rule holds; why it cannot be told. */
function evaluate(
  rule: ValidationRule,
  condition: Expression,
  variables: Readonly<Record<string, unknown>>,
): boolean | string {
  try {
    return condition.run(variables) === true;
  } catch (error) {
    const text = rule.message?.trim() || rule.rule.trim();
    if (error instanceof CostExceeded) {
      return `'${error.message}': no further validation rules will be run due to call cost exceeds limit for rule: ${text}`;
    }
    const failure = failureOf(error);
    if (failure !== 'no such overload') return `${failure} evaluating rule: ${text}`;
    return `'${failure}': call arguments did not match a supported operator, function or macro signature for rule: ${text}`;
  }
}

/** What the message expression says, unless it fails or says nothing that fits a line. */
function spoken(message: Expression | undefined, variables: Readonly<Record<string, unknown>>): string | undefined {
  try {
    const text = message?.run(variables);
    if (typeof text !== 'string' || text.trim() === '' || /[\r\n]/.test(text)) return undefined;
    return text.trim().slice(0, 5 * 1024);
  } catch (error) {
    // The rule's own message stands in, as in Kubernetes.
    return messageOf(error) && undefined;
  }
}

function errorOf(rule: ValidationRule, field: string, value: unknown, detail: string): FieldError {
  switch (rule.reason) {
    case 'FieldValueForbidden':
      return forbidden(field, detail);
    case 'FieldValueRequired':
      return required(field, detail);
    case 'FieldValueDuplicate':
      return duplicate(field, value);
    default:
      // Objects and lists are not repeated in the message.
      if (typeof value === 'object') {
        return { reason: 'FieldValueInvalid', field, message: `Invalid value: ${detail}` };
      }
      return invalid(field, value, detail);
  }
}
