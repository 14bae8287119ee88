/* The command of a job, in images without a shell: copies what it was started with and the input. */

#include <stdio.h>

extern char **environ;

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    FILE *variables = fopen(argv[3], "w");
    FILE *input = fopen(argv[1], "r");
    FILE *output = fopen(argv[2], "w");
    if (!variables || !input || !output)
        return 3;
    for (char **each = environ; *each; each++)
        fprintf(variables, "%s\n", *each);
    for (int c; (c = fgetc(input)) != EOF;)
        fputc(c, output);
    fputs("done\n", stdout);
    return fclose(variables) || fclose(input) || fclose(output);
}
