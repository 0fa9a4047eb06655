import type { Container } from '../api/types.ts';

/** A restartable init container (KEP-753): it runs beside the main containers and is started before them. */
export const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always';
