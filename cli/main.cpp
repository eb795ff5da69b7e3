#include "cli/app.h"

int main(int argc, char** argv) { return webhookd::run_webhookctl(argc, argv); }
