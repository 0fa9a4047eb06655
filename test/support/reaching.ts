import { eventually, type TestCluster } from './cluster.ts';

/** A pod of the lab's web page, told ready once that answers; `web-…` and `web` are what {@link webService} selects. */
export const webPod = (name: string, nodeName: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: name.startsWith('web') ? 'web' : name } },
  spec: {
    nodeName,
    containers: [
      {
        name: 'lab',
        image: 'knit.dev/lab:1',
        ports: [{ containerPort: 8080 }],
        readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
      },
    ],
  },
});

export const webService = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { type: 'LoadBalancer', selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
};

/** What `from` gets from `url`; undefined where nothing answers with success. `more` are flags of curl. */
export const answerOf = (cluster: TestCluster, from: string, url: string, ...more: string[]) =>
  cluster.knit(['exec', from, '--', 'curl', '-sf', '-g', '-m', '2', ...more, url]).catch(() => undefined);

export const reaches = (cluster: TestCluster, from: string, url: string, ...more: string[]) =>
  eventually(`${from} to reach ${url}`, () => answerOf(cluster, from, url, ...more));
