// A TLS proxy with a self-signed certificate before a PostgreSQL without TLS.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** Made for these tests, for `localhost` and 127.0.0.1, valid until 2126; it protects nothing. */
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgryAo6wPgaTvK7aAl
JK1G4lEyJTh3t8dO2C86ne1ziGKhRANCAASVPsgjEOMkwha7yidU5YsSOSjXwdYk
yBumxEFKlQhqHFIrClKVjYHErRDiEj9LmcM5wD5panHOiYYhIrsq/FUc
-----END PRIVATE KEY-----`;
export const SELF_SIGNED = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUB8tZcyy+hs+EFPZ0PQogdPymFNMwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNzAyNDQyOVoYDzIxMjYxMTAz
MDI0NDI5WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASVPsgjEOMkwha7yidU5YsSOSjXwdYkyBumxEFKlQhqHFIrClKVjYHE
rRDiEj9LmcM5wD5panHOiYYhIrsq/FUco28wbTAdBgNVHQ4EFgQUkSfnQ+fRcrrv
LM21a2u8IfXyxwwwHwYDVR0jBBgwFoAUkSfnQ+fRcrrvLM21a2u8IfXyxwwwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgLoz8fDLmkg56Re8bOl0+oleLQV036b76dTOR5ZUdArkCIQDA
2oFqiaMa2QGyQrtWlhWGdMgSxSY0465Bf7olrCzVQg==
-----END CERTIFICATE-----`;

export interface TlsProxy {
  readonly port: number;
  close(): void;
}

/** The first message of the client requests TLS (SSLRequest, eight bytes); the answer is the letter S, and TLS begins. */
export async function startTlsProxy(target: URL): Promise<TlsProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write('S');
      const secure = new TLSSocket(socket, { isServer: true, key: KEY, cert: SELF_SIGNED });
      const behind = connect({ host: target.hostname, port: Number(target.port || 5432) });
      sockets.add(behind);
      for (const end of [secure, behind]) end.on('error', () => undefined);
      secure.pipe(behind).pipe(secure);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
