/**
 * A web server for pods, which tells of each request what arrived: HTTP/1.1 with WebSocket and server-sent events on
 * 8080, HTTP/2 without TLS on 8081, HTTP/1.1 behind a PROXY protocol header on 8082, and where it has a certificate
 * (TLS_CERT, TLS_KEY) both versions over TLS on 8443.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { createServer as createTcpServer } from 'node:net';
import { hostname } from 'node:os';
import type { TLSSocket } from 'node:tls';

const web = createServer(answer).on('upgrade', (request: IncomingMessage, socket) => {
  const accept = createHash('sha1')
    .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nX-Pod: ${hostname()}\r\n\r\n`,
  );
  // Unmasked frames of up to 125 bytes: what a client sends comes back.
  socket.on('data', (frame: Buffer) => {
    const mask = frame.subarray(2, 6);
    const text = frame.subarray(6).map((byte, index) => byte ^ (mask[index % 4] ?? 0));
    socket.write(Buffer.concat([Buffer.from([0x81, text.length]), text]));
  });
  socket.on('error', () => socket.destroy());
});
web.keepAliveTimeout = 60_000;
web.listen(8080);

createHttp2Server().on('stream', answerStream).listen(8081);

const { TLS_CERT: cert, TLS_KEY: key } = process.env;
if (cert && key) {
  createSecureServer({ cert, key, allowHTTP1: true })
    .on('request', (request, response) => {
      if (request.httpVersion === '1.1') {
        answer(request as unknown as IncomingMessage, response as unknown as ServerResponse);
        return;
      }
      response.writeHead(200, { 'content-type': 'application/grpc', 'x-alpn': request.stream.session?.alpnProtocol });
      response.addTrailers({ 'grpc-status': '0' });
      request.pipe(response);
    })
    .listen(8443);
}

createTcpServer((socket) => {
  socket.once('data', (data) => {
    const line = data.toString().split('\r\n')[0] ?? '';
    const body = JSON.stringify({ pod: hostname(), proxy: line });
    socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
  });
  socket.on('error', () => socket.destroy());
}).listen(8082);

function answerStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  if (headers['content-type'] !== 'application/grpc') {
    stream.respond({ ':status': 200 });
    stream.end(JSON.stringify({ pod: hostname(), path: headers[':path'], version: '2' }));
    return;
  }
  // As a gRPC stream: messages go back as they come, the status in trailers.
  const alpn = stream.session?.alpnProtocol;
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'x-alpn': alpn }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.pipe(stream);
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://pod');
  if (url.pathname.endsWith('/events')) {
    events(response);
    return;
  }
  if (url.searchParams.has('bytes')) {
    response.end(Buffer.alloc(Number(url.searchParams.get('bytes')), 'x'));
    return;
  }
  if (url.pathname.endsWith('/events/next')) sendNext();
  const hash = createHash('sha256');
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    hash.update(chunk);
  });
  request.on('end', () => {
    const { method, url: path, httpVersion: version, headers, socket } = request;
    const told = {
      pod: hostname(),
      method,
      path,
      version,
      headers,
      client: socket.remoteAddress,
      tls: (socket as TLSSocket).getProtocol?.(),
      bytes,
      sha256: hash.digest('hex'),
    };
    response.setHeader('content-type', 'application/json');
    setTimeout(() => response.end(JSON.stringify(told)), Number(url.searchParams.get('wait') ?? 0));
  });
}

/** Streams that wait for somebody to ask for `/events/next`: a proxy that gathered answers would never pass the first. */
const waiting = new Set<ServerResponse>();

function events(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('data: first\n\n');
  waiting.add(response);
  response.on('close', () => waiting.delete(response));
}

function sendNext(): void {
  for (const response of waiting) response.end('data: second\n\n');
}

process.on('SIGTERM', () => {
  web.close(() => process.exit(0));
  web.closeIdleConnections();
});
