// The RabbitMQ failures that an operator must repair, and the reason that is logged.
import { expect, it } from '@jest/globals';
import { type RabbitRefusal, refusalOf } from '../../src/workers/drivers/rabbitmq.refusal.js';

it.each([
  [
    'Handshake terminated by server: 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN."',
    'ACCESS_REFUSED',
    /^RabbitMQ refuses the login of RABBITMQ_URL \(ACCESS_REFUSED - Login was refused .*\): correct its user and password$/,
  ],
  [
    "Channel closed by server: 403 (ACCESS-REFUSED) with message \"ACCESS_REFUSED - access to exchange 'x.jobs' in vhost '/' refused for user 'app'\"",
    'ACCESS_REFUSED',
    /^RabbitMQ refuses the user of RABBITMQ_URL \(ACCESS_REFUSED - access to exchange 'x\.jobs' .*\): permit it to/,
  ],
  [
    'Connection closed: 530 (NOT-ALLOWED) with message "NOT_ALLOWED - vhost jobs is down"',
    'NOT_ALLOWED',
    /\(NOT_ALLOWED - vhost jobs is down\)/,
  ],
  [
    'Expected ConnectionOpenOk; got <ConnectionClose channel:0>',
    'NOT_ALLOWED',
    /^RabbitMQ refuses the virtual host of RABBITMQ_URL \(NOT_ALLOWED\): create it/,
  ],
])('is a refusal that needs an operator: %s', (message, code, expected) => {
  const refusal = refusalOf(new Error(message));
  expect(refusal?.code).toBe(code);
  expect(refusal?.message).toMatch(expected);
  expect(refusalOf(refusal as RabbitRefusal)).toBe(refusal);
});

it.each([
  'connect ECONNREFUSED 127.0.0.1:5672',
  'No answer within 5000 ms.',
  'Connection closed: 320 (CONNECTION-FORCED) with message "CONNECTION_FORCED - broker forced connection closure"',
  'Socket closed abruptly during opening handshake',
])('is a temporary failure: %s', (message) => {
  expect(refusalOf(new Error(message))).toBeNull();
});
