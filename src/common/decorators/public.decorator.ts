// Marks a route that needs no access token; all other routes refuse requests without one.
import { SetMetadata } from '@nestjs/common';

export const IS_PUBLIC = 'isPublic';
/** `optional`: a token that is sent is verified as usual and identifies the user. */
export const Public = (is: true | 'optional' = true): ClassDecorator & MethodDecorator => SetMetadata(IS_PUBLIC, is);
