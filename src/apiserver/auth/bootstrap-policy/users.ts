import { paths, type Rule, read, rule } from './rules.ts';

/** What people and programs are given. Each of the roles `system:aggregate-to-…` is a part of the role that it names. */
export const rolesOfUsers: Readonly<Record<string, readonly Rule[]>> = {
  'cluster-admin': [rule('*', '*', '*'), paths('*', '*')],
  'system:aggregate-to-admin': [
    rule('authorization.k8s.io', 'localsubjectaccessreviews', 'create'),
    rule(
      'rbac.authorization.k8s.io',
      'rolebindings roles',
      'create delete deletecollection get list patch update watch',
    ),
  ],
  'system:aggregate-to-edit': [
    rule('', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy', read),
    rule('', 'serviceaccounts', 'impersonate'),
    rule('', 'pods pods/attach pods/exec pods/portforward pods/proxy', 'create delete deletecollection patch update'),
    rule('', 'pods/eviction', 'create'),
    rule(
      '',
      'configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
      'create delete deletecollection patch update',
    ),
    rule('', 'serviceaccounts/token', 'create'),
    rule(['', 'events.k8s.io'], 'events', 'create delete deletecollection patch update'),
    rule(
      'apps',
      'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale',
      'create delete deletecollection patch update',
    ),
    rule('autoscaling', 'horizontalpodautoscalers', 'create delete deletecollection patch update'),
    rule('batch', 'cronjobs jobs', 'create delete deletecollection patch update'),
    rule(
      'extensions',
      'daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale',
      'create delete deletecollection patch update',
    ),
    rule('policy', 'poddisruptionbudgets', 'create delete deletecollection patch update'),
    rule('networking.k8s.io', 'ingresses networkpolicies', 'create delete deletecollection patch update'),
    rule('coordination.k8s.io', 'leases', 'create delete deletecollection get list patch update watch'),
    rule('resource.k8s.io', 'resourceclaims resourceclaimtemplates', 'create delete deletecollection patch update'),
  ],
  'system:aggregate-to-view': [
    rule(
      '',
      'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status',
      read,
    ),
    rule(
      '',
      'bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status',
      read,
    ),
    rule('', 'namespaces', read),
    rule(['', 'events.k8s.io'], 'events', read),
    rule('discovery.k8s.io', 'endpointslices', read),
    rule(
      'apps',
      'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status',
      read,
    ),
    rule('autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status', read),
    rule('batch', 'cronjobs cronjobs/status jobs jobs/status', read),
    rule(
      'extensions',
      'daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale',
      read,
    ),
    rule('policy', 'poddisruptionbudgets poddisruptionbudgets/status', read),
    rule('networking.k8s.io', 'ingresses ingresses/status networkpolicies', read),
    rule('resource.k8s.io', 'resourceclaims resourceclaims/status resourceclaimtemplates', read),
  ],
  'system:basic-user': [
    rule('authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews', 'create'),
    rule('authentication.k8s.io', 'selfsubjectreviews', 'create'),
  ],
  'system:discovery': [
    paths('/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/'),
  ],
  'system:public-info-viewer': [paths('/healthz /livez /readyz /version /version/')],
  'system:monitoring': [
    paths('/flagz /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/* /statusz'),
    rule('', 'nodes/metrics', 'get'),
  ],
  'system:service-account-issuer-discovery': [
    paths('/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/'),
  ],
};
