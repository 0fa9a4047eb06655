import { type Environment, Optional } from '@marcbachmann/cel-js';
import * as names from '../kinds/names.ts';
import { hasFormat } from '../structural/formats.ts';
import { addFunctions, addLibrary } from './environment.ts';

/** Tells what is wrong with a text, if anything is. */
class CelFormat {
  readonly rule: names.Rule;

  constructor(rule: names.Rule) {
    this.rule = rule;
  }
}

/** The rule of a prefix is that of a name, as far as the name is written. */
const prefixOf =
  (rule: names.Rule): names.Rule =>
  (text) =>
    rule(text.replace(/-$/, 'a'));

const ofFormat =
  (format: string): names.Rule =>
  (text) =>
    hasFormat(format, text) ? undefined : `invalid ${format}`;

const formats: Readonly<Record<string, names.Rule>> = {
  dns1123Label: names.dnsLabel,
  dns1123Subdomain: names.dnsSubdomain,
  dns1035Label: names.dnsLabel1035,
  qualifiedName: names.qualifiedName,
  dns1123LabelPrefix: prefixOf(names.dnsLabel),
  dns1123SubdomainPrefix: prefixOf(names.dnsSubdomain),
  dns1035LabelPrefix: prefixOf(names.dnsLabel1035),
  labelValue: names.labelValue,
  uri: ofFormat('uri'),
  uuid: ofFormat('uuid'),
  byte: ofFormat('byte'),
  date: ofFormat('date'),
  datetime: ofFormat('datetime'),
};

/** Kubernetes' library of formats: `!format.dns1123Label().validate(self.name).hasValue()`. */
export function addFormats(env: Environment): void {
  env.registerType('kubernetes.NamedFormat', CelFormat);
  const named = Object.entries(formats).map(([name, rule]) => [
    `${name}(): kubernetes.NamedFormat`,
    () => new CelFormat(rule),
  ]);
  addLibrary(env, 'format', {
    ...Object.fromEntries(named),
    'named(string): optional<kubernetes.NamedFormat>': (name: string) => {
      const rule = formats[name];
      return rule ? Optional.of(new CelFormat(rule)) : Optional.none();
    },
  });
  addFunctions(env, {
    'kubernetes.NamedFormat.validate(string): optional<list<string>>': ({ rule }: CelFormat, text: string) => {
      const wrong = rule(text);
      return wrong === undefined ? Optional.none() : Optional.of([wrong]);
    },
  });
}
