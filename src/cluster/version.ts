/** Of knit itself. */
export const knitVersion = '0.1.0';
/** Of the Kubernetes API that knit serves, as nodes and `/version` tell it. */
export const kubernetesVersion = `v1.36.0+knit.${knitVersion}`;
