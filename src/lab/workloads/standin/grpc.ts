import type { ServerHttp2Stream, IncomingHttpHeaders } from 'node:http2';

/** gRPC status codes. */
const OK = '0';
const UNIMPLEMENTED = '12';

/** `HealthCheckResponse{status: SERVING}` in its length-prefixed frame (gRPC over HTTP/2). */
const SERVING = Buffer.from([0, 0, 0, 0, 2, 0x08, 0x01]);

export function isGrpc(headers: IncomingHttpHeaders): boolean {
  return headers['content-type']?.startsWith('application/grpc') === true;
}

export function isWatch(headers: IncomingHttpHeaders): boolean {
  return headers[':path'] === '/grpc.health.v1.Health/Watch';
}

/** Serves grpc.health.v1.Health; every other method is UNIMPLEMENTED, with `message` to say by whom. */
export function answerGrpc(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, message: string): void {
  stream.resume(); // whatever the request's message says, the answer is the same
  const path = headers[':path'];
  if (path === '/grpc.health.v1.Health/Check') {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': OK }));
    stream.end(SERVING);
  } else if (isWatch(headers)) {
    // The state never changes: one message, and the stream stays open until either side closes it.
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': OK }));
    stream.write(SERVING);
  } else {
    const text = encodeURIComponent(message).replaceAll('%20', ' ');
    stream.respond(
      {
        ':status': 200,
        'content-type': 'application/grpc',
        'grpc-status': UNIMPLEMENTED,
        'grpc-message': text,
      },
      { endStream: true },
    );
  }
}
