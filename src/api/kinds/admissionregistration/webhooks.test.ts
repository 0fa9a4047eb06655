import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorsOf, updateErrorsOf } from '../testing.ts';
import { validatingWebhookConfiguration as kind } from './webhooks.ts';

const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
const service = { name: 'svc', namespace: 'ns' };
const webhook = {
  name: 'a.example.com',
  clientConfig: { service },
  rules: [rule],
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
};
const configuration = (more: object) => ({ metadata: { name: 'x' }, webhooks: [{ ...webhook, ...more }] });

/** What differs from a webhook that is right, and what is wrong with it. */
const cases: readonly (readonly [object, ...string[]])[] = [
  [{}],
  [{ admissionReviewVersions: ['v1beta1'] }],
  [{ sideEffects: undefined }, 'sideEffects: Required value: must specify one of None, NoneOnDryRun'],
  [{ admissionReviewVersions: ['v1', 'v1'] }, 'admissionReviewVersions[1]: Invalid value: "v1": duplicate version'],
  [
    { rules: [{ ...rule, operations: ['*', 'CREATE'] }] },
    `rules[0].operations: Invalid value: ["*","CREATE"]: if '*' is present, must not specify other operations`,
  ],
  [
    { rules: [{ ...rule, resources: ['pods/*', 'pods/status'] }] },
    `rules[0].resources[1]: Invalid value: "pods/status": if 'pods/*' is present, must not specify pods/status`,
  ],
  [{ clientConfig: { service: { name: 'svc' } } }, 'clientConfig.service.name: Required value'],
  [
    { clientConfig: { service: { ...service, path: '/a//b' } } },
    'clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty',
  ],
  [
    { clientConfig: { url: 'https://u@h/x?y#z' } },
    'clientConfig.url: Invalid value: "u": user information is not permitted in the URL',
    'clientConfig.url: Invalid value: "z": fragments are not permitted in the URL',
    'clientConfig.url: Invalid value: "y": query parameters are not permitted in the URL',
  ],
];

test('a webhook breaks rules in the words of Kubernetes', () => {
  for (const [more, ...wrong] of cases) {
    const expected = wrong.map((each) => `webhooks[0].${each}`);
    assert.deepEqual(errorsOf(kind, configuration(more)), expected, JSON.stringify(more));
  }
});

test('what broke a later rule before may go on to do so', () => {
  assert.deepEqual(
    updateErrorsOf(kind, configuration({ sideEffects: 'Some' }), () => undefined),
    [],
  );
});
