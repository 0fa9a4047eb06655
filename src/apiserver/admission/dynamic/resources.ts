export const GROUP = 'admissionregistration.k8s.io';
export const mutatingWebhooks = { group: GROUP, plural: 'mutatingwebhookconfigurations' };
export const validatingWebhooks = { group: GROUP, plural: 'validatingwebhookconfigurations' };
export const policies = { group: GROUP, plural: 'validatingadmissionpolicies' };
export const bindings = { group: GROUP, plural: 'validatingadmissionpolicybindings' };
