import { decodeMessage, encodeMessage } from '../dns/wire/message.ts';
import { FLAG, TYPE } from '../dns/wire/constants.ts';
import { socketAddress } from '../kernel/datagram-socket.ts';
import { closeFd, isErrno } from '../kernel/ffi.ts';
import { AF, MSG, SOCK, connect, recv, send, socket } from '../kernel/ffi-sockets.ts';
import { type Netns, withNetns } from '../kernel/netns.ts';

/** What a name server answered to a question that was really sent. */
export interface LookupAnswer {
  /** Undefined when no answer came. */
  readonly rcode?: number;
  readonly addresses: readonly string[];
  readonly milliseconds: number;
}

const TIMEOUT_MS = 1000;
const LOOK_AGAIN_MS = 2;
const RCODE_MASK = 0xf;

/** Asks a name server over UDP from within a network namespace. `name` is complete; `type` by the server's family. */
export async function lookUp(
  netns: Netns,
  { name, server }: { readonly name: string; readonly server: string },
): Promise<LookupAnswer> {
  const six = server.includes(':');
  const fd = withNetns(netns, () => socket(six ? AF.INET6 : AF.INET, SOCK.DGRAM | SOCK.NONBLOCK));
  const started = performance.now();
  try {
    connect(fd, socketAddress(server, 53));
    const questions = [{ name, type: six ? TYPE.AAAA : TYPE.A }];
    send(fd, encodeMessage({ id: 1, flags: FLAG.RD, questions, answers: [], authority: [], additional: [] }));
    const buffer = Buffer.alloc(4096);
    while (performance.now() - started < TIMEOUT_MS) {
      const length = recv(fd, buffer, MSG.DONTWAIT);
      if (length > 0) {
        const { flags, answers } = decodeMessage(buffer.subarray(0, length));
        const addresses = answers.flatMap(({ data }) =>
          data.type === 'A' || data.type === 'AAAA' ? [data.address] : [],
        );
        return { rcode: flags & RCODE_MASK, addresses, milliseconds: performance.now() - started };
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  } catch (error) {
    if (!isErrno(error, 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH')) throw error;
  } finally {
    closeFd(fd);
  }
  return { addresses: [], milliseconds: performance.now() - started };
}
