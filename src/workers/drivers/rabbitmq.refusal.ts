// Refusals of the broker: it answers but denies access until an operator changes the configuration of either side.

/** `TOO_OLD` is defined here, the others are AMQP reply codes. */
export type RefusalCode = 'ACCESS_REFUSED' | 'NOT_ALLOWED' | 'PRECONDITION_FAILED' | 'TOO_OLD';

/** The message contains the broker's reason and the cure. */
export class RabbitRefusal extends Error {
  override name = 'RabbitRefusal';

  constructor(
    readonly code: RefusalCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** As amqplib quotes the broker: `403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - …"`. */
const QUOTED = /with message "((ACCESS_REFUSED|NOT_ALLOWED) - .*)"/s;
/** amqplib does not quote the broker when it ends a handshake after the login; at that point only the virtual host is checked. */
const ENDED_AFTER_LOGIN = /Expected ConnectionOpenOk; got <ConnectionClose/;

/** Returns the refusal behind an error of amqplib; null for a failure that may be temporary. */
export function refusalOf(error: Error): RabbitRefusal | null {
  if (error instanceof RabbitRefusal) return error;
  const { message } = error;
  const of = (code: RefusalCode, text: string): RabbitRefusal => new RabbitRefusal(code, text, { cause: error });
  if (ENDED_AFTER_LOGIN.test(message))
    return of(
      'NOT_ALLOWED',
      'RabbitMQ refuses the virtual host of RABBITMQ_URL (NOT_ALLOWED): create it, and give the user permissions in it',
    );
  const [, reason, code] = QUOTED.exec(message) ?? [];
  if (reason === undefined) return null;
  return message.startsWith('Handshake terminated')
    ? of(code as RefusalCode, `RabbitMQ refuses the login of RABBITMQ_URL (${reason}): correct its user and password`)
    : of(
        code as RefusalCode,
        `RabbitMQ refuses the user of RABBITMQ_URL (${reason}): permit it to configure, write and read all that begins with RABBITMQ_QUEUE`,
      );
}
