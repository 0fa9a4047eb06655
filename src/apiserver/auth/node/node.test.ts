import 'reflect-metadata';
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import * as x509 from '@peculiar/x509';
import { startTestApiServer, type TestApiServer } from '../../testing.ts';
import { wireTo } from '../../wire.ts';

type Wire = ReturnType<typeof wireTo>;
type Answer = Awaited<ReturnType<Wire['get']>>;

const shop = '/api/v1/namespaces/shop';

/** A kubelet and what belongs to its node: through the wire, as real kubelets ask. */
describe('a kubelet', { concurrency: false }, () => {
  let server: TestApiServer;
  let admin: Wire;
  let one: Wire;
  let two: Wire;
  let podUid = '';
  const opened: Wire[] = [];
  const as = async (name: string, groups: string[]) => {
    const wire = wireTo(server, await server.certificate(name, groups));
    opened.push(wire);
    return wire;
  };
  const ok = (answer: Answer) => assert.ok(answer.status < 300, answer.text);
  const refused = (answer: Answer, why: RegExp | string) => {
    assert.equal(answer.status, 403, answer.text);
    if (typeof why === 'string') assert.ok(answer.json.message.includes(why), answer.json.message);
    else assert.match(answer.json.message, why);
  };

  before(async () => {
    server = await startTestApiServer();
    admin = await as('root', ['system:masters']);
    one = await as('system:node:one', ['system:nodes']);
    two = await as('system:node:two', ['system:nodes']);
    ok(await admin.post('/api/v1/namespaces', { metadata: { name: 'shop' } }));
    for (const name of ['default', 'robot']) ok(await admin.post(`${shop}/serviceaccounts`, { metadata: { name } }));
    for (const name of ['env', 'file', 'pull', 'disk', 'other']) {
      ok(await admin.post(`${shop}/secrets`, { metadata: { name } }));
      ok(await admin.post(`${shop}/configmaps`, { metadata: { name } }));
    }
    const claim = {
      metadata: { name: 'data' },
      spec: {
        accessModes: ['ReadWriteOnce'],
        resources: { requests: { storage: '1Gi' } },
        volumeName: 'disk',
        storageClassName: '',
      },
    };
    ok(await admin.post(`${shop}/persistentvolumeclaims`, claim));
    ok(
      await admin.post('/api/v1/persistentvolumes', {
        metadata: { name: 'disk' },
        spec: {
          accessModes: ['ReadWriteOnce'],
          capacity: { storage: '1Gi' },
          claimRef: { namespace: 'shop', name: 'data' },
          csi: {
            driver: 'd',
            volumeHandle: 'h',
            nodeStageSecretRef: { namespace: 'shop', name: 'disk' },
            controllerPublishSecretRef: { namespace: 'shop', name: 'other' },
          },
        },
      }),
    );
    const pod = {
      metadata: { name: 'web' },
      spec: {
        nodeName: 'one',
        serviceAccountName: 'robot',
        imagePullSecrets: [{ name: 'pull' }],
        containers: [
          {
            name: 'c',
            image: 'i',
            envFrom: [{ configMapRef: { name: 'env' } }],
            env: [{ name: 'E', valueFrom: { secretKeyRef: { name: 'env', key: 'k' } } }],
          },
        ],
        volumes: [
          { name: 'a', projected: { sources: [{ secret: { name: 'file' } }, { configMap: { name: 'file' } }] } },
          { name: 'b', persistentVolumeClaim: { claimName: 'data' } },
        ],
      },
    };
    podUid = (await admin.post(`${shop}/pods`, pod)).json.metadata.uid;
  });
  after(async () => {
    for (const wire of opened) wire.close();
    await server.stop();
  });

  it('reads what its pods name, and nobody else’s', async () => {
    const related = [
      `${shop}/secrets/env`,
      `${shop}/secrets/file`,
      `${shop}/secrets/pull`,
      `${shop}/secrets/disk`,
      `${shop}/configmaps/env`,
      `${shop}/configmaps/file`,
      `${shop}/persistentvolumeclaims/data`,
      '/api/v1/persistentvolumes/disk',
      `${shop}/pods/web`,
      `${shop}/serviceaccounts/robot`,
      `${shop}/secrets?fieldSelector=metadata.name%3Denv`,
    ];
    for (const path of related) {
      ok(await one.get(path));
      refused(await two.get(path), "no relationship found between node 'two' and this object");
    }
    refused(
      await one.get(`${shop}/secrets/other`),
      /^secrets "other" is forbidden: User "system:node:one" cannot get resource "secrets" in API group "" in the namespace "shop": no relationship found between node 'one' and this object$/,
    );
    refused(await one.get(`${shop}/configmaps/other`), 'no relationship');
    refused(await one.get(`${shop}/secrets`), 'No Object name found');
    refused(await one.get('/api/v1/secrets'), 'can only read namespaced object of this type');
    refused(await one.get('/api/v1/persistentvolumes'), 'can only get individual resources of this type');
    refused(await one.delete(`${shop}/secrets/env`), 'can only read resources of this type');
    refused(await one.get('/apis/networking.k8s.io/v1/networkpolicies'), /at the cluster scope$/);
  });

  it('lists and watches only its own pods, and reads only its own Node', async () => {
    const own = await one.get('/api/v1/pods?fieldSelector=spec.nodeName%3Done');
    assert.deepEqual(
      own.json.items.map((pod: { metadata: { name: string } }) => pod.metadata.name),
      ['web'],
    );
    refused(await one.get('/api/v1/pods'), 'can only list/watch pods with spec.nodeName field selector');
    refused(await one.get('/api/v1/pods?fieldSelector=spec.nodeName%3Dtwo'), 'spec.nodeName field selector');
    ok(await one.post('/api/v1/nodes', { metadata: { name: 'one' } }));
    ok(await two.post('/api/v1/nodes', { metadata: { name: 'two' } }));
    ok(await one.get('/api/v1/nodes/one'));
    ok(await one.get('/api/v1/nodes?fieldSelector=metadata.name%3Done'));
    refused(await one.get('/api/v1/nodes/two'), "node 'one' cannot read 'two', only its own Node object");
    refused(await one.get('/api/v1/nodes'), "node 'one' cannot read all nodes, only its own Node object");
    const review = (fieldSelector: object) => ({
      spec: {
        user: 'system:node:one',
        groups: ['system:nodes'],
        resourceAttributes: { verb: 'list', resource: 'pods', fieldSelector },
      },
    });
    const reviews = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
    const asked = { requirements: [{ key: 'spec.nodeName', operator: 'In', values: ['one'] }] };
    assert.equal((await admin.post(reviews, review(asked))).json.status.allowed, true);
    assert.equal((await admin.post(reviews, review({ rawSelector: 'spec.nodeName=one' }))).json.status.allowed, true);
    const other = (await admin.post(reviews, review({ rawSelector: 'spec.nodeName=two' }))).json.status;
    assert.deepEqual(other, {
      allowed: false,
      reason: 'can only list/watch pods with spec.nodeName field selector',
    });
    const rules = await one.post('/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', {
      spec: { namespace: 'shop' },
    });
    assert.equal(rules.json.status.incomplete, true);
    assert.equal(rules.json.status.evaluationError, 'node authorizer does not support user rule resolution');
  });

  it('writes only its own Node, without taints and reserved labels', async () => {
    const path = '/api/v1/nodes/one';
    ok(await one.patch(path, 'merge', { metadata: { labels: { team: 'a', 'topology.kubernetes.io/zone': 'z' } } }));
    ok(await one.patch(path, 'merge', { metadata: { labels: { 'x.node.kubernetes.io/y': 'z' } } }));
    ok(await one.patch(`${path}/status`, 'merge', { status: { phase: 'Running' } }));
    refused(
      await one.patch(path, 'merge', { metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } } }),
      /^nodes "one" is forbidden: is not allowed to modify labels: node-role.kubernetes.io\/control-plane$/,
    );
    refused(
      await one.patch(path, 'merge', { metadata: { labels: { 'a.node-restriction.kubernetes.io/b': 'c' } } }),
      'is not allowed to modify labels: a.node-restriction.kubernetes.io/b',
    );
    refused(
      await one.patch(path, 'merge', { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }),
      'node "one" is not allowed to modify taints',
    );
    refused(
      await one.patch('/api/v1/nodes/two/status', 'merge', { status: {} }),
      'node "one" is not allowed to modify node "two"',
    );
    refused(await one.delete(path), /cannot delete resource "nodes"/);
    const three = await as('system:node:three', ['system:nodes']);
    refused(
      await three.post('/api/v1/nodes', { metadata: { name: 'three', labels: { 'k8s.io/a': 'b', z: '' } } }),
      'node "three" is not allowed to set the following labels: k8s.io/a',
    );
    const nobody = await as('system:node:', ['system:nodes']);
    refused(await nobody.get('/api/v1/services'), 'unknown node for user "system:node:"');
    refused(await (await as('system:node:one', [])).get('/api/v1/services'), /at the cluster scope$/);
  });

  it('tells the status of its own pods, and ends no others', async () => {
    const status = { status: { phase: 'Running' } };
    ok(await one.patch(`${shop}/pods/web/status`, 'merge', status));
    refused(
      await two.patch(`${shop}/pods/web/status`, 'merge', status),
      'node "two" can only update pod status for pods with spec.nodeName set to itself',
    );
    refused(
      await one.patch(`${shop}/pods/web/status`, 'merge', { metadata: { labels: { app: 'bank' } } }),
      'node "one" cannot update labels through pod status',
    );
    refused(await one.patch(`${shop}/pods/web`, 'merge', {}), /cannot patch resource "pods"/);
    refused(await two.delete(`${shop}/pods/web`), 'node "two" can only delete pods with spec.nodeName set to itself');
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'web' } };
    refused(
      await two.post(`${shop}/pods/web/eviction`, eviction),
      'node two can only evict pods with spec.nodeName set to itself',
    );
    ok(await one.post(`${shop}/pods/web/eviction?dryRun=All`, eviction));
  });

  it('makes mirrors of its static pods, which name nothing of the API', async () => {
    const { uid } = (await one.get('/api/v1/nodes/one')).json.metadata;
    const owner = { apiVersion: 'v1', kind: 'Node', name: 'one', uid, controller: true };
    const mirror = (more: object = {}, owners: object[] = [owner], nodeName = 'one') => ({
      metadata: {
        name: 'static-one',
        annotations: { 'kubernetes.io/config.mirror': 'hash' },
        ownerReferences: owners,
      },
      spec: { nodeName, containers: [{ name: 'c', image: 'i' }], ...more },
    });
    const pods = `${shop}/pods`;
    const plain = mirror();
    refused(
      await one.post(pods, { ...plain, metadata: { name: 'static-one' } }),
      'pod does not have "kubernetes.io/config.mirror" annotation, node "one" can only create mirror pods',
    );
    refused(await one.post(pods, mirror({}, [owner], 'two')), 'can only create pods with spec.nodeName set to itself');
    refused(await one.post(pods, mirror({}, [])), 'can only create pods with an owner reference set to itself');
    refused(await one.post(pods, mirror({}, [{ ...owner, controller: false }])), 'with a controller owner reference');
    refused(await one.post(pods, mirror({}, [{ ...owner, uid: 'x' }])), `node one UID mismatch: expected x got ${uid}`);
    const volumes = [{ name: 'v', secret: { secretName: 'other' } }];
    refused(await one.post(pods, mirror({ volumes })), 'node "one" can not create pods that reference secrets');
    ok(await one.post(pods, mirror()));
    refused(await one.get(`${shop}/secrets/other`), 'no relationship');
    ok(await one.delete(`${pods}/static-one?gracePeriodSeconds=0`));
  });

  it('gets tokens for its pods alone, for whom the pod wants them', async () => {
    const path = `${shop}/serviceaccounts/robot/token`;
    const order = (more: object, bound: object | undefined) => ({ spec: { ...more, boundObjectRef: bound } });
    const bound = { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: podUid };
    ok(await one.post(path, order({ audiences: [] }, bound)));
    refused(await one.post(path, order({}, undefined)), 'node requested token not bound to a pod');
    refused(
      await one.post(path, order({}, { ...bound, uid: undefined })),
      'node requested token with a pod binding without a uid',
    );
    refused(await two.post(path, order({}, bound)), 'no relationship found');
    refused(await one.post(`${shop}/serviceaccounts/default/token`, order({}, bound)), 'no relationship found');
    refused(
      await one.post(path, order({ audiences: ['vault'] }, bound)),
      'audience "vault" not found in pod spec volume, system:node:one is not authorized to request tokens for this audience',
    );
  });

  it('renews its own lease, and asks for certificates in its own name', async () => {
    const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
    ok(await one.post(leases, { metadata: { name: 'one' } }));
    ok(await one.patch(`${leases}/one`, 'merge', { spec: { holderIdentity: 'one' } }));
    const why = 'can only access node lease with the same name as the requesting node';
    refused(await one.post(leases, { metadata: { name: 'two' } }), why);
    ok(await two.post(leases, { metadata: { name: 'two' } }));
    refused(await one.get(`${leases}/two`), why);
    refused(
      await one.get(leases.replace('kube-node-lease', 'default/leases/x').replace(/\/leases$/, '')),
      'can only access leases in the "kube-node-lease" system namespace',
    );
    const signing = async (name: string) => {
      const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
      const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
      const request = await x509.Pkcs10CertificateRequestGenerator.create({
        name: `CN=${name},O=system:nodes`,
        keys,
        signingAlgorithm: algorithm,
      });
      return {
        metadata: { generateName: 'csr-' },
        spec: {
          signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
          usages: ['client auth'],
          request: Buffer.from(request.toString('pem')).toString('base64'),
        },
      };
    };
    const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
    ok(await one.post(requests, await signing('system:node:one')));
    refused(
      await one.post(requests, await signing('system:node:two')),
      'can only create a node CSR with CN=system:node:one',
    );
  });

  it('uses the devices that its pods claim, and tells of its own', async () => {
    const claims = '/apis/resource.k8s.io/v1/namespaces/shop/resourceclaims';
    const devices = { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu' } }] };
    for (const name of ['gpu', 'other']) ok(await admin.post(claims, { metadata: { name }, spec: { devices } }));
    ok(
      await admin.post(`${shop}/pods`, {
        metadata: { name: 'learner' },
        spec: {
          nodeName: 'one',
          containers: [{ name: 'c', image: 'i' }],
          resourceClaims: [{ name: 'g', resourceClaimName: 'gpu' }],
        },
      }),
    );
    ok(await one.get(`${claims}/gpu`));
    refused(await one.get(`${claims}/other`), 'no relationship');
    refused(await two.get(`${claims}/gpu`), 'no relationship');
    const slices = '/apis/resource.k8s.io/v1/resourceslices';
    const slice = (name: string, nodeName: string) => ({
      metadata: { name },
      spec: { driver: 'd.example', nodeName, pool: { name: 'p', generation: 1, resourceSliceCount: 1 } },
    });
    ok(await one.post(slices, slice('of-one', 'one')));
    ok(await two.post(slices, slice('of-two', 'two')));
    refused(
      await one.post(slices, slice('x', 'two')),
      'can only create ResourceSlice with the same NodeName as the requesting node',
    );
    ok(await one.get(`${slices}/of-one`));
    refused(await one.get(`${slices}/of-two`), 'no relationship');
    refused(await one.delete(`${slices}/of-two`), 'no relationship');
    ok(await one.get(`${slices}?fieldSelector=spec.nodeName%3Done`));
    refused(await one.get(slices), 'can only list/watch/deletecollection resourceslices with nodeName field selector');
    ok(await one.delete(`${slices}?fieldSelector=spec.nodeName%3Done`));
  });

  it('loses what was a pod’s with the pod', async () => {
    ok(await one.get(`${shop}/secrets/env`));
    ok(await admin.delete(`${shop}/pods/web?gracePeriodSeconds=0`));
    refused(await one.get(`${shop}/secrets/env`), 'no relationship');
    refused(await one.get('/api/v1/persistentvolumes/disk'), 'no relationship');
  });
});
