export const GROUP = 'admissionregistration.k8s.io';
export const mutatingWebhooks = { group: GROUP, plural: 'mutatingwebhookconfigurations' };
export const validatingWebhooks = { group: GROUP, plural: 'validatingwebhookconfigurations' };
export const validatingPolicies = {
  policies: { group: GROUP, plural: 'validatingadmissionpolicies' },
  bindings: { group: GROUP, plural: 'validatingadmissionpolicybindings' },
};
export const mutatingPolicies = {
  policies: { group: GROUP, plural: 'mutatingadmissionpolicies' },
  bindings: { group: GROUP, plural: 'mutatingadmissionpolicybindings' },
};
