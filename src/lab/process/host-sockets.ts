import { createServer, type ListenOptions } from 'node:net';
import { PodnetError } from '../../model/errors.ts';

/**
 * The two sockets a lab has in the host's network namespace. The launcher, which is there, binds them; the lab, which
 * is not, inherits them under these numbers. A socket stays in the namespace it was made in.
 */
export const hostSocketFds = { api: 3, control: 4 } as const;

export interface HostSockets {
  /** 127.0.0.1, on a port the kernel chose. */
  readonly api: number;
  /** The abstract unix socket. */
  readonly control: number;
  /** Closes this process's copies. */
  close(): void;
}

async function bind(options: ListenOptions): Promise<{ fd: number; close: () => void }> {
  const server = createServer();
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(options, done);
  });
  const { _handle: handle } = server as typeof server & { _handle?: { fd: number } };
  if (handle === undefined) throw new Error('A listening server has no handle');
  return { fd: handle.fd, close: () => server.close() };
}

export async function openHostSockets(name: string, controlAddress: string): Promise<HostSockets> {
  const control = await bind({ path: controlAddress }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new PodnetError(`A cluster named "${name}" is already running`, {
      code: 'already-running',
      where: `abstract unix socket ${controlAddress.slice(1)}`,
      fix: `Use it (export KUBECONFIG=$(./podnet kubeconfig --name ${name})), end it (./podnet down --name ${name}), or choose another --name.`,
    });
  });
  try {
    const api = await bind({ host: '127.0.0.1', port: 0 });
    return {
      api: api.fd,
      control: control.fd,
      close() {
        api.close();
        control.close();
      },
    };
  } catch (error) {
    control.close();
    throw error;
  }
}
