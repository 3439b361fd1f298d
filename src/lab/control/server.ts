import { createServer, type Server, type Socket } from 'node:net';
import { peerCredentials } from '../../kernel/ffi-sockets.ts';
import { PodnetError, errorMessage } from '../../model/errors.ts';
import {
  lineSplitter,
  type ControlError,
  type ControlMethod,
  type ControlMethods,
  type ControlRequest,
  type ControlResponse,
} from './protocol.ts';
import { socketFd } from '../../kernel/socket-fd.ts';

export type ControlHandlers = {
  readonly [M in ControlMethod]: (
    params: ControlMethods[M]['params'],
    connection: Socket,
  ) => Promise<ControlMethods[M]['result']> | ControlMethods[M]['result'];
};

function toError(error: unknown): ControlError {
  if (!(error instanceof PodnetError)) return { code: 'internal', message: errorMessage(error) };
  const { code, message, where, fix } = error;
  return { code, message, ...(where === undefined ? {} : { where }), ...(fix === undefined ? {} : { fix }) };
}

function serve(connection: Socket, handlers: ControlHandlers): void {
  const answer = (response: ControlResponse): void => {
    if (connection.writable) connection.write(`${JSON.stringify(response)}\n`);
  };
  const handle = async (line: string): Promise<void> => {
    let request: ControlRequest;
    try {
      request = JSON.parse(line) as ControlRequest;
    } catch {
      connection.destroy();
      return;
    }
    const { id, method, params } = request;
    try {
      if (!Object.hasOwn(handlers, method)) {
        throw new PodnetError(`The lab does not know "${method as string}"`, { code: 'unknown-method' });
      }
      const handler = handlers[method] as (params: unknown, connection: Socket) => unknown;
      answer({ id, result: await handler(params, connection) });
    } catch (error) {
      answer({ id, error: toError(error) });
    }
  };
  connection.setEncoding('utf8');
  connection.on('error', () => connection.destroy());
  connection.on(
    'data',
    lineSplitter(
      (line) => void handle(line),
      () => connection.destroy(),
    ),
  );
}

/**
 * Answers on a bound socket, to the owner of this user namespace and nobody else. It is this process that listens:
 * `SO_PEERCRED` tells clients its pid.
 */
export async function listenControl(fd: number, handlers: ControlHandlers): Promise<Server> {
  const owner = process.getuid?.() ?? 0;
  const server = createServer((connection) => {
    const peer = socketFd(connection);
    if (peer === undefined || peerCredentials(peer).uid !== owner) connection.destroy();
    else serve(connection, handlers);
  });
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen({ fd }, done);
  });
  return server;
}
