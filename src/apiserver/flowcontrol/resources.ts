const group = { group: 'flowcontrol.apiserver.k8s.io', version: 'v1' };

export const flowSchemas = { ...group, plural: 'flowschemas' };
export const priorityLevels = { ...group, plural: 'prioritylevelconfigurations' };
