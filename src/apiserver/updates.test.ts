import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestApiServer, type TestApiServer } from './testing.ts';
import { wireTo } from './wire.ts';

const namespaced = (group: string, plural: string) => `${group}/namespaces/default/${plural}`;
const CONFIG_MAPS = namespaced('/api/v1', 'configmaps');
const PODS = namespaced('/api/v1', 'pods');
const SERVICES = namespaced('/api/v1', 'services');
const CLAIMS = namespaced('/api/v1', 'persistentvolumeclaims');
const LEASES = namespaced('/apis/coordination.k8s.io/v1', 'leases');
const DEPLOYMENTS = namespaced('/apis/apps/v1', 'deployments');
const JOBS = namespaced('/apis/batch/v1', 'jobs');
const REQUESTS = '/apis/certificates.k8s.io/v1/certificatesigningrequests';

describe('updates over HTTPS', () => {
  let server: TestApiServer;
  let wire: ReturnType<typeof wireTo>;
  before(async () => {
    server = await startTestApiServer();
    wire = wireTo(server);
    await wire.post('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  });
  after(async () => {
    wire.close();
    await server.stop();
  });

  type Body = Record<string, unknown> & { metadata: Record<string, unknown> };

  const create = async (path: string, body: object): Promise<Body> => {
    const { status, json, text } = await wire.post(path, body);
    assert.equal(status, 201, text);
    return json as unknown as Body;
  };

  /** What is said of a PUT that is refused by validation, as `kubectl` prints it. */
  const causes = async (path: string, body: object): Promise<string[]> => {
    const { status, json, text } = await wire.put(path, body);
    assert.equal(status, 422, text);
    const found = json.details.causes as readonly { readonly field?: string; readonly message?: string }[];
    return found.map(({ field, message }) => `${field}: ${message}`);
  };

  it('name the object, its version where it must be named, and no other object', async () => {
    const map = await create(CONFIG_MAPS, { metadata: { name: 'plain' } });
    const nameless = await wire.put(`${CONFIG_MAPS}/plain`, { metadata: {} });
    assert.deepEqual(
      [nameless.status, nameless.json.message],
      [400, 'the name of the object (plain based on URL) was undeterminable: name must be provided'],
    );
    const other = await wire.put(`${CONFIG_MAPS}/plain`, { metadata: { name: 'plain', uid: 'u' } });
    assert.equal(other.status, 409);
    assert.equal(
      other.json.message,
      `Operation cannot be fulfilled on configmaps "plain": StorageError: invalid object, Code: 4, Key: /registry/configmaps/default/plain, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: u, UID in object meta: ${map.metadata.uid}`,
    );
    assert.equal((await wire.put(`${CONFIG_MAPS}/plain`, { metadata: { name: 'plain' } })).status, 200);
    await create(LEASES, { metadata: { name: 'l' } });
    const unversioned = await wire.put(`${LEASES}/l`, { metadata: { name: 'l' } });
    assert.deepEqual(
      [unversioned.status, unversioned.json.message],
      [
        422,
        'leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update',
      ],
    );
  });

  it('create what is not there for the kinds that allow it', async () => {
    const service = { metadata: { name: 'put' }, spec: { ports: [{ port: 80 }] } };
    assert.equal((await wire.put(`${SERVICES}/put`, service)).status, 201);
    const runtimes = '/apis/node.k8s.io/v1/runtimeclasses';
    assert.equal((await wire.put(`${runtimes}/r`, { metadata: { name: 'r' }, handler: 'h' })).status, 201);
    assert.equal((await wire.put(`${CONFIG_MAPS}/none`, { metadata: { name: 'none' } })).status, 404);
    const gone = await wire.put(`${LEASES}/gone`, { metadata: { name: 'gone', uid: 'u' } });
    assert.deepEqual([gone.status, gone.json.reason], [409, 'Conflict']);
  });

  it('cannot say that an object is being deleted', async () => {
    await create(CONFIG_MAPS, { metadata: { name: 'stays' } });
    const deletionTimestamp = '2026-01-01T00:00:00Z';
    assert.deepEqual(await causes(`${CONFIG_MAPS}/stays`, { metadata: { name: 'stays', deletionTimestamp } }), [
      `metadata.deletionTimestamp: Invalid value: "${deletionTimestamp}": field is immutable`,
    ]);
  });

  it('of a status write metadata too, but for what the kind keeps', async () => {
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const deployment = await create(DEPLOYMENTS, {
      metadata: { name: 'd', labels: { a: 'b' } },
      spec: { selector: { matchLabels: { a: 'b' } }, template },
    });
    const metadata = { ...deployment.metadata, labels: { c: 'd' }, annotations: { e: 'f' }, finalizers: ['a.b/c'] };
    const { json } = await wire.put(`${DEPLOYMENTS}/d/status`, { ...deployment, metadata });
    const { labels, annotations, finalizers } = json.metadata as unknown as Record<string, unknown>;
    assert.deepEqual([labels, annotations, finalizers], [{ a: 'b' }, { e: 'f' }, ['a.b/c']]);
    // Kubernetes takes a Deployment's annotations for a part of what is wanted, unless they come with its status.
    assert.equal(json.metadata.generation, 1);
    const noted = { ...deployment, metadata: { name: 'd', annotations: { g: 'h' } } };
    assert.equal((await wire.put(`${DEPLOYMENTS}/d`, noted)).json.metadata.generation, 2);
    const counted = { ...deployment, metadata: { name: 'd' } };
    assert.deepEqual(
      await causes(`${DEPLOYMENTS}/d/status`, { ...counted, status: { replicas: 1, readyReplicas: 2 } }),
      ['status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas'],
    );
  });

  it('of a pod change images, and what the gates leave open', async () => {
    const containers = [{ name: 'c', image: 'i' }];
    const pod = await create(PODS, {
      metadata: { name: 'gated' },
      spec: { containers, schedulingGates: [{ name: 'a.b/c' }], nodeSelector: { disk: 'ssd' } },
    });
    const spec = pod.spec as object;
    assert.deepEqual(await causes(`${PODS}/gated`, { ...pod, spec: { ...spec, nodeSelector: { disk: 'hdd' } } }), [
      'spec.nodeSelector: Invalid value: {"disk":"hdd"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)',
    ]);
    const closer = await wire.put(`${PODS}/gated`, {
      ...pod,
      spec: { ...spec, nodeSelector: { disk: 'ssd', a: 'b' } },
    });
    assert.deepEqual([closer.status, closer.json.metadata.generation], [200, 2]);
    assert.deepEqual(
      await causes(`${PODS}/gated`, {
        metadata: { name: 'gated' },
        spec: { ...spec, nodeSelector: { disk: 'ssd', a: 'b' }, schedulingGates: [{ name: 'x.y/z' }] },
      }),
      ["spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'x.y/z'"],
    );
    const status = { phase: 'Running', qosClass: 'Guaranteed' };
    assert.deepEqual(await causes(`${PODS}/gated/status`, { metadata: { name: 'gated' }, status }), [
      'status.qosClass: Invalid value: "Guaranteed": field is immutable',
    ]);
  });

  it('of a job’s status take nothing back that was final', async () => {
    const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } };
    const job = await create(JOBS, { metadata: { name: 'j' }, spec: { template } });
    const complete = { type: 'Complete', status: 'True' };
    assert.deepEqual(await causes(`${JOBS}/j/status`, { ...job, status: { conditions: [complete] } }), [
      'status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition',
      'status.completionTime: Required value: completionTime is required for Complete jobs',
      'status.startTime: Required value: startTime is required for finished job',
    ]);
    const time = '2026-01-01T00:00:00Z';
    const met = { type: 'SuccessCriteriaMet', status: 'True' };
    const done = { startTime: time, completionTime: time, succeeded: 1, conditions: [met, complete] };
    assert.equal((await wire.put(`${JOBS}/j/status`, { ...job, status: done })).status, 200);
    assert.deepEqual(
      await causes(`${JOBS}/j/status`, { metadata: { name: 'j' }, status: { ...done, conditions: [met] } }),
      [
        'status.completionTime: Invalid value: "2026-01-01T00:00:00Z": cannot set completionTime when there is no Complete=True condition',
        'status.conditions: Invalid value: cannot disable the terminal Complete=True condition',
      ],
    );
  });

  it('of a claim let it grow when it is bound', async () => {
    const spec = { accessModes: ['ReadWriteOnce'], storageClassName: 's', resources: { requests: { storage: '1Gi' } } };
    const claim = await create(CLAIMS, { metadata: { name: 'c' }, spec });
    const larger = { ...(claim.spec as object), resources: { requests: { storage: '2Gi' } } };
    const refused = await causes(`${CLAIMS}/c`, { ...claim, spec: larger });
    assert.match(refused[0] ?? '', /^spec: Forbidden: spec is immutable after creation except resources\.requests/);
    const other = { ...(claim.spec as object), volumeMode: 'Block' };
    assert.deepEqual((await causes(`${CLAIMS}/c`, { ...claim, spec: other })).slice(1), [
      'volumeMode: Invalid value: "Block": field is immutable',
    ]);
  });

  it('of a Service keep its node ports by their names, and drop what its new type cannot have', async () => {
    const spec = { type: 'NodePort', ports: [{ name: 'web', port: 80 }] };
    const service = await create(SERVICES, { metadata: { name: 'typed' }, spec });
    const nodePort = (service.spec as { ports: { nodePort: number }[] }).ports[0]?.nodePort;
    const moved = await wire.put(`${SERVICES}/typed`, {
      metadata: { name: 'typed' },
      spec: { ...spec, ports: [{ name: 'web', port: 81 }] },
    });
    assert.equal(moved.json.spec.ports[0]?.nodePort, nodePort);
    const plain = await wire.put(`${SERVICES}/typed`, {
      ...service,
      metadata: { name: 'typed' },
      spec: { ...(service.spec as object), type: 'ClusterIP' },
    });
    assert.deepEqual([plain.status, plain.json.spec.ports[0]?.nodePort], [200, undefined]);
  });

  it('of a Service change no address, and say first what cannot be one', async () => {
    const service = await create(SERVICES, { metadata: { name: 'addressed' }, spec: { ports: [{ port: 80 }] } });
    const spec = service.spec as { readonly clusterIP: string };
    const put = (change: object) =>
      causes(`${SERVICES}/addressed`, { metadata: { name: 'addressed' }, spec: { ...spec, ...change } });
    assert.deepEqual(await put({ clusterIP: '10.96.9.9' }), [
      'spec.clusterIPs[0]: Invalid value: ["10.96.9.9"]: may not change once set',
    ]);
    assert.deepEqual(await put({ clusterIPs: ['10.96.9.9'] }), [
      'spec.clusterIPs: Invalid value: ["10.96.9.9"]: first value must match `clusterIP`',
    ]);
    assert.deepEqual(await put({ ports: [{ port: 80, nodePort: 30080 }] }), [
      "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ]);
  });

  it('of a certificate request are decided by its approval alone', async () => {
    const pem = '-----BEGIN CERTIFICATE REQUEST-----\nYQ==\n-----END CERTIFICATE REQUEST-----\n';
    const spec = { request: Buffer.from(pem).toString('base64'), signerName: 'example.com/s', usages: ['client auth'] };
    const request = await create(REQUESTS, { metadata: { name: 'r' }, spec });
    const conditions = [{ type: 'Approved', status: 'True' }];
    assert.deepEqual(await causes(`${REQUESTS}/r/status`, { ...request, status: { conditions } }), [
      'status.conditions: Forbidden: updates may not add a condition of type "Approved"',
    ]);
    assert.equal((await wire.put(`${REQUESTS}/r/approval`, { ...request, status: { conditions } })).status, 200);
    assert.deepEqual(await causes(`${REQUESTS}/r/status`, { metadata: { name: 'r' }, spec, status: {} }), [
      'status.conditions: Forbidden: updates may not remove a condition of type "Approved"',
    ]);
  });

  it('of policies are held to the same rules as new ones', async () => {
    const group = '/apis/admissionregistration.k8s.io/v1';
    const path = `${group}/validatingadmissionpolicybindings`;
    const spec = { policyName: 'p', validationActions: ['Deny'] };
    const binding = await create(path, { metadata: { name: 'b' }, spec });
    const put = (change: object) => causes(`${path}/b`, { ...binding, spec: { ...spec, ...change } });
    assert.deepEqual(await put({ validationActions: ['Deny', 'Deny'] }), [
      'spec.validationActions[1]: Duplicate value: "Deny"',
    ]);
    assert.deepEqual(await put({ paramRef: {} }), [
      'spec.paramRef: Required value: one of name or selector must be specified',
      'spec.paramRef.parameterNotFoundAction: Required value',
    ]);
    const schemas = '/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas';
    const verbs = { verbs: ['fly'], nonResourceURLs: ['/a*'] };
    const subjects = [{ kind: 'User', user: { name: 'u' } }];
    const schema = { priorityLevelConfiguration: { name: 'exempt' }, rules: [{ subjects, nonResourceRules: [verbs] }] };
    const refused = await wire.post(schemas, { metadata: { name: 'f' }, spec: schema });
    assert.match(
      refused.json.message,
      /nonResourceRules\[0\]\.verbs: Unsupported value: \["fly"\]: supported values: "create"/,
    );
    assert.match(
      refused.json.message,
      /nonResourceURLs\[0\]: Invalid value: "\/a\*": wildcard can only do suffix matching/,
    );
  });
});
