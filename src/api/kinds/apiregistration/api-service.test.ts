import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { APIService } from '../../types.ts';
import { created, errorsOf } from '../testing.ts';
import { apiService } from './api-service.ts';

type Spec = NonNullable<APIService['spec']>;

const priorities = { groupPriorityMinimum: 100, versionPriority: 10 };
const named = (spec: Partial<Spec>, name = `${spec.version}.${spec.group}`): APIService => ({
  metadata: { name },
  spec: { ...priorities, ...spec },
});

test('a service of this server is there at once', () => {
  const local = created(apiService, named({ group: 'example.com', version: 'v1' }));
  assert.deepEqual(errorsOf(apiService, local), []);
  const [condition] = local.status?.conditions ?? [];
  assert.equal(condition?.message, 'Local APIServices are always available');
  const remote = named({ group: 'example.com', version: 'v1', service: { namespace: 'a', name: 'b' } });
  assert.equal(created(apiService, remote).status, undefined);
});

test('a service of this server needs no certificates', () => {
  const local = { group: 'example.com', version: 'v1', caBundle: 'YQ==', insecureSkipTLSVerify: true };
  assert.deepEqual(errorsOf(apiService, named(local)), [
    'spec.caBundle: Invalid value: "1 bytes": local APIServices may not have a caBundle',
    'spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify',
  ]);
});

test('groups and versions are names, and a Service has a port', () => {
  assert.match(
    errorsOf(apiService, named({ group: 'A_', version: 'v1' })).join(),
    /^spec\.group: .*RFC 1123 subdomain/,
  );
  assert.match(errorsOf(apiService, named({ group: 'a.b', version: '1' })).join(), /^spec\.version: .*DNS-1035 label/);
  assert.deepEqual(errorsOf(apiService, named({ group: '', version: 'v2' }, 'v2.')), [
    'spec.group: Required value: only v1 may have an empty group and it better be legacy kube',
  ]);
  const service = { namespace: 'a', name: 'b', port: 0 };
  assert.deepEqual(errorsOf(apiService, named({ group: 'a.b', version: 'v1', service })), [
    'spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive',
  ]);
});

test('a condition is true, false or unknown', () => {
  const service = {
    ...named({ group: 'a.b', version: 'v1' }),
    status: { conditions: [{ type: 'Available', status: 'Yes' }] },
  };
  const told = apiService.validate?.(service, service, 'status') ?? [];
  assert.deepEqual(
    told.map(({ field }) => field),
    ['status.conditions[0].status'],
  );
});
