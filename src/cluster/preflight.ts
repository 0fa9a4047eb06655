import { KnitError } from '../base/errors.ts';
import type { ClusterSpec } from './spec.ts';

/** What must be so before anything is made. Throws the first thing that is not, with its mend. */
export async function preflight(_spec: ClusterSpec | undefined): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new KnitError('NOT_ROOT', 'knit makes network namespaces, which needs root', 'run it with sudo');
  }
}
