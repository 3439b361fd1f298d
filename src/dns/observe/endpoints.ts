import { createServer, type Server } from 'node:http';
import { errorMessage } from '../../model/errors.ts';

/** A page of one path, made when asked for. */
export interface Page {
  readonly address: string;
  readonly port: number;
  /** `/metrics` */
  readonly path: string;
  readonly answer: () => { readonly status: number; readonly body: string };
}

/** Small pages over HTTP: health, readiness and metrics. They stay where they are while what they say changes. */
export interface Endpoints {
  /** Serves these pages and no others from now on. */
  serve(pages: readonly Page[]): void;
  close(): void;
}

interface Listening {
  readonly server: Server;
  pages: ReadonlyMap<string, Page>;
}

export function createEndpoints(onError: (message: string) => void): Endpoints {
  const open = new Map<string, Listening>();

  function listen({ address, port }: Page): Listening {
    const server = createServer({ headersTimeout: 5000, requestTimeout: 5000 }, (request, response) => {
      const page = listening.pages.get(request.url?.split('?')[0] ?? '');
      const { status, body } = page?.answer() ?? { status: 404, body: 'not found\n' };
      response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(body);
    });
    const listening: Listening = { server, pages: new Map() };
    server.maxConnections = 64;
    server.on('error', (error) =>
      onError(`cannot serve HTTP on ${address} port ${port}: ${errorMessage(error)}`),
    );
    server.listen({ host: address, port });
    server.unref();
    return listening;
  }

  return {
    serve(pages) {
      const wanted = Map.groupBy(pages, ({ address, port }) => `${address} ${port}`);
      for (const [key, { server }] of open) {
        if (wanted.has(key)) continue;
        open.delete(key);
        server.close();
        server.closeAllConnections();
      }
      for (const [key, own] of wanted) {
        const [first] = own;
        if (first === undefined) continue;
        let there = open.get(key);
        if (there === undefined) open.set(key, (there = listen(first)));
        there.pages = new Map(own.map((page) => [page.path, page]));
      }
    },
    close() {
      for (const { server } of open.values()) {
        server.close();
        server.closeAllConnections();
      }
      open.clear();
    },
  };
}
