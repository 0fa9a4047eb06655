import http2 from 'node:http2';

// A server that says of itself that it is well, as gRPC's health service does (grpc.health.v1), on the port that is its
// one argument.

const serving = Buffer.from([0, 0, 0, 0, 2, 8, 1]);

const server = http2.createServer();
server.on('stream', (stream) => {
  stream.resume();
  stream.on('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(serving);
  });
});
server.listen(Number(process.argv[2]));
