import { pluginNamed, pluginNames } from '../cni/plugins/registry.ts';
import { startCniServer } from '../cni/server/server.ts';
import { note } from './terminal.ts';

/** `podnet cni serve`: until it is told to end. */
export async function serve({ socket, spool }: { socket: string; spool: string }): Promise<void> {
  // Loaded now, for the first container would wait half a second for it.
  await Promise.all(pluginNames.map(pluginNamed));
  const server = await startCniServer({
    socketPath: socket,
    spoolDirectory: spool,
    findPlugin: pluginNamed,
    log: note,
  });
  note(`answering CNI plugins on ${server.socketPath}; Ctrl-C ends it`);
  await new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done());
  });
  await server.close();
}
