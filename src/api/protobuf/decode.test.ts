import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeProtobuf } from './decode.ts';

// Bodies as k8s.io/apimachinery v0.36.0 writes them, in base64.
const deployment =
  'azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50Eo8CCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEt0BCAASDAoKCgNh' +
  'cHASA3dlYhqtAQoQCgASABoAIgAqADIAOABCABKYAQoJCgF2EgQSAgoAEl4KAWMSAWkaAWEaAWIqADoTCgFBEgAaDCIKCgMKAXMS' +
  'AWsYAEIPCg0KA2NwdRIGCgQ1MDBtUhgKDBoKCgYIABBQGgASABAAGAAgACgAMABqAHIAgAEAiAEAkAEAogEAGgAgADIAQgBKAFIA' +
  'WABgAGgAcg0gASD9//////////8BggEAigEAmgEAwgEAIhcKABITCgYIABAAGgASCQgBEAAaAzI1JSgAOAAaDAgAEAAYACAAKAA4' +
  'ABoAIgA=';
const secret = 'azhzAAoMCgJ2MRIGU2VjcmV0EioKGQoBcxIAGgAiACoAMgA4AEIICKW7tfAFEAASCQoBYRIEAAEC/xoAKAAaACIA';
const review =
  'azhzAAouChdhdXRob3JpemF0aW9uLms4cy5pby92MRITU3ViamVjdEFjY2Vzc1JldmlldxIwChAKABIAGgAiACoAMgA4AEIAEhIa' +
  'AXUqCwoBYRIGCgF4CgF5MgAaCAgAEgAaACAAGgAiAA==';
const event =
  'azhzAAoLCgJ2MRIFRXZlbnQSZgovCgFlEgAaACIAKgAyADgAQgCKARsKABIAGgAyADoPCg17ImEiOnsiYiI6MX19QgASDgoAEgAa' +
  'ACIAKgAyADoAGgAiACoECgASADIAOgBAA0oAUgsIpbu18AUQgJTvOmIAcgB6ABoAIgA=';

const decode = (base64: string) => decodeProtobuf(Buffer.from(base64, 'base64'));

test('a Deployment comes out as its JSON: zeros that were set stay, those of Go do not appear', () => {
  assert.deepEqual(decode(deployment), {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', labels: { app: 'web' } },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: 'web' } },
      strategy: { rollingUpdate: { maxSurge: '25%', maxUnavailable: 0 } },
      template: {
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [
            {
              name: 'c',
              image: 'i',
              command: ['a', 'b'],
              resources: { limits: { cpu: '500m' } },
              livenessProbe: { tcpSocket: { port: 80 } },
              env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k', optional: false } } }],
            },
          ],
          volumes: [{ name: 'v', emptyDir: {} }],
          securityContext: { supplementalGroups: [1, -3] },
        },
      },
    },
  });
});

test('bytes become base64, and times RFC 3339', () => {
  assert.deepEqual(decode(secret), {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's', creationTimestamp: '2020-01-02T03:04:05Z' },
    data: { a: 'AAEC/w==' },
    immutable: false,
  });
});

test('a map of lists is read through the message around each list', () => {
  assert.deepEqual(decode(review), {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user: 'u', extra: { a: ['x', 'y'] } },
  });
});

test('micro times keep their decimals, and raw JSON is JSON', () => {
  assert.deepEqual(decode(event), {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e', managedFields: [{ fieldsV1: { a: { b: 1 } } }] },
    eventTime: '2020-01-02T03:04:05.123456Z',
    count: 3,
  });
});

test('what is no such body, ends too early, or is of a strange kind is refused', () => {
  const body = Buffer.from(deployment, 'base64');
  assert.throws(() => decodeProtobuf(Buffer.from('{}')), { code: 'BAD_PROTOBUF' });
  assert.throws(() => decodeProtobuf(body.subarray(0, 60)), { code: 'BAD_PROTOBUF' });
  const strange = Buffer.from(body.toString('latin1').replace('Deployment', 'Deploymint'), 'latin1');
  assert.throws(() => decodeProtobuf(strange), {
    message: 'no kind "Deploymint" is registered for version "apps/v1" in protobuf',
  });
});
