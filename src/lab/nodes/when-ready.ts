import type { Client } from '../../cluster/client.ts';
import { createInformer } from '../../cluster/informer.ts';
import { nodes } from '../../cluster/resources.ts';

const patienceMs = 5_000;

/**
 * Resolves when `count` nodes have told what they can hold, or when it has taken too long for one of them. A scheduler
 * that starts earlier gives all pods to the first node.
 */
export async function whenNodesReady(client: Client, count: number, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const informer = createInformer(client, nodes);
  const running = informer.run(AbortSignal.any([signal, stop.signal]));
  const ready = new Set<string>();
  try {
    await new Promise<void>((done) => {
      AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]).addEventListener('abort', () => done(), {
        once: true,
      });
      informer.onChange(({ key, object }) => {
        if (object.status?.allocatable !== undefined) ready.add(key);
        if (ready.size >= count) done();
      });
    });
  } finally {
    stop.abort();
    await running;
  }
}
