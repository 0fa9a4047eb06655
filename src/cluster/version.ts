import { knitVersion } from '../base/version.ts';

/** Of the Kubernetes API that knit serves, as nodes and `/version` tell it. */
export const kubernetesVersion = `v1.36.0+knit.${knitVersion}`;
