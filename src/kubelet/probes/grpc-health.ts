import { GrpcError, grpcStatus, openChannel, rpcErrorText } from '../cri/grpc.ts';
import { field, int, message, string } from '../cri/protobuf.ts';

/** `grpc.health.v1` (https://github.com/grpc/grpc/blob/master/doc/health-checking.md) */
const HealthCheckRequest = message({ service: field(1, string) });
const HealthCheckResponse = message({ status: field(1, int) });
const statuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** Resolves to the server's own word: `SERVING` is the good one. Throws where it cannot be asked. */
export async function grpcHealth(host: string, port: number, service: string, timeoutMs: number): Promise<string> {
  const channel = openChannel({ host, port });
  try {
    const request = HealthCheckRequest.encode({ service });
    const answer = await channel.unary('/grpc.health.v1.Health/Check', request, { timeoutMs });
    return statuses[HealthCheckResponse.decode(answer).status] ?? 'UNKNOWN';
  } finally {
    channel.close();
  }
}

/** The kubelet's words for why it could not be asked. */
export function grpcHealthFailure(error: unknown, address: string, seconds: number): string {
  const code = error instanceof GrpcError ? error.code : undefined;
  if (code === grpcStatus.UNAVAILABLE) {
    return `timeout: failed to connect service "${address}" within ${seconds}s: context deadline exceeded`;
  }
  if (code === grpcStatus.DEADLINE_EXCEEDED) return `timeout: health rpc did not complete within ${seconds}s`;
  if (code === grpcStatus.UNIMPLEMENTED) {
    const what = 'this server does not implement the grpc health protocol (grpc.health.v1.Health)';
    return `error: ${what}: ${error instanceof Error ? error.message : ''}`;
  }
  return `error: health rpc probe failed: ${rpcErrorText(error)}`;
}
